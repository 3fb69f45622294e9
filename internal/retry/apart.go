package retry

// Apart runs what a loop does between two long waits on a goroutine of its own, and returns when
// it has ended. Thousands of loops that wait would else keep the stacks that calls to AWS and to
// the state file have made deep.
func Apart(fn func()) {
	done := make(chan struct{})
	go func() {
		defer close(done)
		fn()
	}()
	<-done
}
