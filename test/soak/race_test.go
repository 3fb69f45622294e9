//go:build race

package soak_test

// raced says that the race detector is on. It remembers each address that it has seen, so resident memory
// grows.
const raced = true
