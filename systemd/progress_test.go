package systemd

import (
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// checked returns a function that checks which loops and tasks are stalled now.
func checked(t *testing.T, p *Progress) func(want ...string) {
	return func(want ...string) {
		t.Helper()
		if got := p.Stalled(time.Now()); !slices.Equal(got, want) {
			t.Errorf("stalled %v, want %v", got, want)
		}
	}
}

func TestProgressNamesTheStalled(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var p Progress
		check := checked(t, &p)
		check() // nothing runs
		receive := p.Loop("receive", time.Minute)
		p.Loop("send", 2*time.Minute)
		p.Loop("refresh", 2*time.Minute)
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

// A task must make progress until done is called. After that it does not count as stalled, and KeepAlive does not
// register it again.
func TestProgressOfTasks(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var p Progress
		check := checked(t, &p)
		p.KeepAlive("refresh") // no effect: the task is not under way
		done := p.Task("refresh", time.Minute)
		for range 3 {
			time.Sleep(time.Minute)
			p.KeepAlive("refresh")
		}
		check()
		time.Sleep(time.Minute + 1)
		check("refresh")
		done()
		p.KeepAlive("refresh")
		time.Sleep(time.Hour)
		check()
	})
}

func TestProgressFromManyLoops(t *testing.T) {
	t.Parallel()
	var p Progress
	var wg sync.WaitGroup
	for _, name := range []string{"a", "b", "c"} {
		keepAlive := p.Loop(name, time.Hour)
		wg.Go(func() {
			for range 1000 {
				keepAlive()
				if stalled := p.Stalled(time.Now()); len(stalled) > 0 {
					t.Error(stalled)
				}
			}
		})
	}
	wg.Wait()
}
