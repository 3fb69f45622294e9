// Package nearest finds what a mistyped word was meant to be: a command, a flag, a key of the configuration, a
// name or an ID.
//
// The package has only functions of plain values, without I/O or goroutines. It imports nothing of
// Flowkeeper.
package nearest
