package daemon

import (
	"context"
	"errors"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"flowkeeper/configs"
	"flowkeeper/inventory"
)

// TestI8ARefreshAskedForWhileOneRuns comes after it; one on the schedule does
// not, and many that were asked for are one.
func TestI8ARefreshAskedForWhileOneRuns(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var begun []time.Duration
		start := time.Now()
		j := newJob(func() {
			begun = append(begun, time.Since(start))
			time.Sleep(time.Minute)
		})
		var all sync.WaitGroup
		all.Go(j.asked)
		synctest.Wait()
		j.scheduled()
		for range 3 {
			time.Sleep(time.Second)
			all.Go(j.asked)
		}
		all.Wait()
		if len(begun) != 2 || begun[1] != time.Minute {
			t.Errorf("begun at %v", begun)
		}
	})
}

// TestI8ARecordAsksTwice: at once, and when AWS shows everyone the same.
func TestI8ARecordAsksTwice(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		scope := inventory.Scope{Account: account, Region: region}
		r := &refreshes{d: &Daemon{Config: configs.Default()}, asked: make(chan ask, 64)}
		var begun []time.Duration
		start := time.Now()
		jobs := map[inventory.Scope]*job{scope: newJob(func() { begun = append(begun, time.Since(start)) })}
		var turns, answers sync.WaitGroup
		ctx, stop := context.WithCancel(t.Context())
		answers.Go(func() { r.answer(ctx, jobs, &turns) })
		for range 3 {
			r.soon(scope, false)
		}
		time.Sleep(time.Hour)
		stop()
		answers.Wait()
		turns.Wait()
		settle := r.d.Config.Inventory.Settle + time.Second
		if len(begun) != 3 || begun[0] != 0 || begun[1] != askedPause || begun[2] != settle {
			t.Errorf("begun at %v", begun)
		}
	})
}

// TestAWaitForATurnIsPartOfTheRound: in a fleet that is refreshed more slowly
// than the schedule says, every scope waits, and none is stale for that.
func TestAWaitForATurnIsPartOfTheRound(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := newHouse(t)
		d := h.daemon
		defer d.close()
		if err := errors.Join(d.open(t.Context()), d.connect(t.Context())); err != nil {
			t.Fatal(err)
		}
		d.Config.Inventory.Schedule = "@every 5m"
		for range parallelScopes {
			d.refreshes.slots <- struct{}{} // others are refreshed
		}
		var turn sync.WaitGroup
		turn.Go(func() { d.refreshes.turn(t.Context(), inventory.Scope{Account: account, Region: region}) })
		time.Sleep(20 * time.Minute)
		<-d.refreshes.slots
		turn.Wait()
		time.Sleep(25 * time.Minute) // the next turn comes as late
		if err := d.refreshes.fresh(); err != nil {
			t.Error(err)
		}
		time.Sleep(10 * time.Minute)
		if d.refreshes.fresh() == nil {
			t.Error("nothing for 35 minutes is fresh")
		}
	})
}
