// Package retry is how Flowkeeper waits before it tries something again: pauses
// that double ([Backoff]), and waits that end with a context ([Sleep], [Wait]).
//
// It calls nothing itself, starts no goroutine and imports nothing of Flowkeeper.
// Time is that of package time, so that testing/synctest can fake it.
package retry
