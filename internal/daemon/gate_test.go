package daemon

import (
	"slices"
	"testing"
	"testing/synctest"
	"time"
)

// TestGate: no more than there are places work at the same time, the others begin in the order in
// which they came, and a place is given back once, however often.
func TestGate(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		g := newGate(2)
		start := time.Now()
		var begun []int
		var at []time.Duration
		for n := range 6 {
			g.enter(func(leave func()) {
				begun, at = append(begun, n), append(at, time.Since(start)) // one place is kept, so that these are in turn
				if n == 0 {
					time.Sleep(time.Hour) // keeps its place
				}
				time.Sleep(time.Second)
				leave()
				leave()
			})
			synctest.Wait()
		}
		time.Sleep(time.Minute)
		if !slices.Equal(begun, []int{0, 1, 2, 3, 4, 5}) || at[1] != 0 || at[2] != time.Second || at[5] != 4*time.Second {
			t.Errorf("%v begun at %v", begun, at)
		}
		if g.free != 1 || len(g.waiting) != 0 {
			t.Errorf("%d places are free, %d wait", g.free, len(g.waiting))
		}
		time.Sleep(time.Hour)
		if g.free != 2 {
			t.Errorf("%d places are free in the end", g.free)
		}
	})
}
