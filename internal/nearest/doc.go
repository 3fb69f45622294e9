// Package nearest finds what a mistyped word was meant to be: a key of the configuration, a flag, a name or
// an ID. Mistyped commands are left to cobra.
//
// The package has only functions of plain values, without I/O or goroutines. It imports nothing of
// Flowkeeper.
package nearest
