package daemon

import (
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// TestADiscoveryMayTakeLongerThanItsPause: if an account does not answer, one discovery takes up to listTimeout, which
// is longer than discoverPause. Even then a caller of awaitFresh waits for one discovery, not for several until
// freshTimeout.
func TestADiscoveryMayTakeLongerThanItsPause(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		v := newDiscovery(nil)
		ended := make(chan struct{})
		times := 0
		var turns sync.WaitGroup
		turns.Go(func() {
			for {
				select {
				case <-v.asked:
				case <-ended:
					return
				}
				began := time.Now()
				times++
				time.Sleep(discoverPause + time.Second)
				v.done(began)
			}
		})
		begun := time.Now()
		v.awaitFresh(t.Context())
		took := time.Since(begun)
		close(ended)
		turns.Wait()
		if took != discoverPause+time.Second || times != 1 {
			t.Errorf("awaitFresh returned after %s and %d discoveries", took, times)
		}
	})
}
