package systemd

import (
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

func TestProgressNamesTheStalled(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var p Progress
		if ok, _ := p.Healthy(time.Now()); !ok {
			t.Error("nothing runs, so nothing is stalled")
		}
		receive := p.Loop("receive", time.Minute)
		p.Loop("send", 2*time.Minute)
		p.Loop("refresh", 2*time.Minute)
		check := func(want ...string) {
			t.Helper()
			ok, stalled := p.Healthy(time.Now())
			if !slices.Equal(stalled, want) || ok != (len(want) == 0) {
				t.Errorf("%v %v, want %v", ok, stalled, want)
			}
		}
		time.Sleep(time.Minute)
		check()
		time.Sleep(time.Second)
		check("receive")
		receive()
		check()
		time.Sleep(time.Minute)
		check("refresh", "send")
		p.Loop("send", time.Hour) // registered anew
		check("refresh")
	})
}

// What is not always in hand may rest as long as it likes, but not stand still
// in the middle.
func TestProgressOfTasks(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var p Progress
		p.Beat("refresh") // not in hand: nothing to note
		done := p.Task("refresh", time.Minute)
		for range 3 {
			time.Sleep(time.Minute)
			p.Beat("refresh")
		}
		if ok, stalled := p.Healthy(time.Now()); !ok {
			t.Error(stalled, "while it made progress")
		}
		time.Sleep(time.Minute + 1)
		if _, stalled := p.Healthy(time.Now()); !slices.Equal(stalled, []string{"refresh"}) {
			t.Error(stalled, "while it stood still")
		}
		done()
		p.Beat("refresh")
		time.Sleep(time.Hour)
		if ok, stalled := p.Healthy(time.Now()); !ok {
			t.Error(stalled, "after it was done")
		}
	})
}

func TestProgressFromManyLoops(t *testing.T) {
	t.Parallel()
	var p Progress
	var wg sync.WaitGroup
	for _, name := range []string{"a", "b", "c"} {
		beat := p.Loop(name, time.Hour)
		wg.Go(func() {
			for range 1000 {
				beat()
				if ok, stalled := p.Healthy(time.Now()); !ok {
					t.Error(stalled)
				}
			}
		})
	}
	wg.Wait()
}
