//go:build race

package soak_test

// raced: the race detector remembers each address that it has seen, so that the resident memory grows.
const raced = true
