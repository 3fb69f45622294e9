// Package term prints what commands have to say, for people and for programs.
//
// Results go to stdout: tables and sheets as wide as the terminal at most, or JSON
// lines. Everything else goes to stderr: notes, and progress on a terminal. Texts from
// outside are cleaned, so that no terminal obeys them (I12).
//
// It knows nothing of flow logs. Its only goroutine is the timer of a Progress.
package term
