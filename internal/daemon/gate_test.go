package daemon

import (
	"context"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// counts returns how many slots are free, and how many callers wait for one.
func (g *gate) counts() (free, waiting int) {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.free, len(g.back) + len(g.waiting)
}

// TestGate: at most as many functions run at the same time as there are slots. The others begin in the order of their
// calls of enter. If a function calls leave twice, one slot is given back.
func TestGate(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		g := newGate(2)
		start := time.Now()
		var begun []int
		var at []time.Duration
		for n := range 6 {
			g.enter(t.Context(), func(leave func()) {
				begun, at = append(begun, n), append(at, time.Since(start)) // no lock: function 0 keeps a slot, so the others run one after another
				if n == 0 {
					time.Sleep(time.Hour) // keeps its slot meanwhile
				}
				time.Sleep(time.Second)
				leave()
				leave()
			})
			synctest.Wait()
		}
		time.Sleep(time.Minute)
		synctest.Wait()
		if !slices.Equal(begun, []int{0, 1, 2, 3, 4, 5}) || at[1] != 0 || at[2] != time.Second || at[5] != 4*time.Second {
			t.Errorf("%v begun at %v", begun, at)
		}
		if free, waiting := g.counts(); free != 1 || waiting != 0 {
			t.Errorf("%d slots are free, %d wait", free, waiting)
		}
		time.Sleep(time.Hour)
		synctest.Wait()
		if free, _ := g.counts(); free != 2 {
			t.Errorf("%d slots are free in the end", free)
		}
	})
}

// TestWhoGaveASlotBackComesFirst: callers of comeBack get a slot before all functions that have had none yet, in the
// order of the calls. If the context of a call ends, comeBack returns without a slot.
func TestWhoGaveASlotBackComesFirst(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		g := newGate(1)
		var begun []string // no lock: only the function that has the slot writes it
		work := func(name string) func(func()) {
			return func(leave func()) {
				begun = append(begun, name)
				time.Sleep(time.Hour)
				leave()
			}
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		g.enter(t.Context(), work("first"))
		synctest.Wait()
		g.enter(t.Context(), work("new"))
		gone, start := make(chan struct{}), time.Now()
		go func() { g.comeBack(ctx)(); close(gone) }()
		synctest.Wait()
		for _, name := range []string{"back", "back too"} {
			go func() { work(name)(g.comeBack(t.Context())) }()
			synctest.Wait()
		}
		if <-gone; time.Since(start) != time.Minute {
			t.Errorf("comeBack returned after %s, want a minute", time.Since(start))
		}
		g.enter(t.Context(), work("newer"))
		time.Sleep(6 * time.Hour)
		synctest.Wait()
		if want := []string{"first", "back", "back too", "new", "newer"}; !slices.Equal(begun, want) {
			t.Errorf("%v, want %v", begun, want)
		}
		if free, waiting := g.counts(); free != 1 || waiting != 0 || len(g.back) != 0 {
			t.Errorf("%d slots are free, %d callers wait, %d of them in comeBack", free, waiting, len(g.back))
		}
	})
}

// TestWhatWaitsForASlotEndsWithItsContext: a function whose context ends while it waits for a slot is called at once,
// even while others have all slots. The functions that still wait keep their order.
func TestWhatWaitsForASlotEndsWithItsContext(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		g := newGate(1)
		ctx, cancel := context.WithCancel(t.Context())
		var mu sync.Mutex // guards begun
		var begun []int
		work := func(n int) func(leave func()) {
			return func(leave func()) {
				mu.Lock()
				begun = append(begun, n)
				mu.Unlock()
				if n != 2 { // its context has ended
					time.Sleep(time.Hour)
				}
				leave()
			}
		}
		for n, ctx := range []context.Context{t.Context(), t.Context(), ctx, t.Context()} {
			g.enter(ctx, work(n))
			synctest.Wait()
		}
		cancel()
		synctest.Wait()
		mu.Lock()
		if _, waiting := g.counts(); !slices.Equal(begun, []int{0, 2}) || waiting != 2 {
			t.Errorf("%v begun when the context of 2 has ended, and %d wait", begun, waiting)
		}
		mu.Unlock()
		time.Sleep(3 * time.Hour)
		synctest.Wait()
		if free, _ := g.counts(); !slices.Equal(begun, []int{0, 2, 1, 3}) || free != 1 {
			t.Errorf("%v begun, and %d slots are free", begun, free)
		}
	})
}
