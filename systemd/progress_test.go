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
