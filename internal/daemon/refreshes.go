package daemon

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/robfig/cron/v3"

	"flowkeeper/internal/retry"
	"flowkeeper/inventory"
)

// refreshes owns when each scope is refreshed: at start, on the schedule, soon
// after a record that names no flow log, and soon after a failure. Each scope has its own turn, so
// that one that fails or is slow holds up no other.
type refreshes struct {
	d       *Daemon
	asked   chan ask
	arrived chan inventory.Scope        // scopes that are new in the fleet
	enlist  func(inventory.Scope) error // adds the job of one; of run's goroutine alone
	slots   chan struct{}               // how many scopes at once

	mu     sync.Mutex                          // guards scopes, and what is in them
	scopes map[inventory.Scope]*scopeRefreshes // see of
}

// ask is for a refresh of a scope. twice: and for another one after settle, as
// AWS may still show what was.
type ask struct {
	scope inventory.Scope
	twice bool
}

const (
	parallelScopes = 8
	slotPatience   = 5 * time.Second  // without an answer of AWS, and a refresh gives its place to another's
	askedPause     = 30 * time.Second // between two refreshes of a scope that records or failures asked for
	forgetSchedule = "@every 1h"
)

func newRefreshes(d *Daemon) *refreshes {
	r := &refreshes{
		d: d, asked: make(chan ask, 64+len(d.fleet.Scopes())), slots: make(chan struct{}, parallelScopes),
		arrived: make(chan inventory.Scope), scopes: map[inventory.Scope]*scopeRefreshes{},
	}
	for _, s := range d.fleet.Scopes() {
		r.of(s).since = time.Time{}
	}
	return r
}

// run refreshes every scope at once, and then on the schedule until ctx ends.
func (r *refreshes) run(ctx context.Context) error {
	var turns sync.WaitGroup
	c := cron.New()
	jobs := map[inventory.Scope]*job{}
	r.enlist = func(s inventory.Scope) error {
		j := newJob(func() {
			r.turn(ctx, s)
			r.againIfFailed(s)
		})
		if _, err := c.AddFunc(r.d.Config.Inventory.Schedule, j.scheduled); err != nil {
			return fmt.Errorf("inventory.schedule: %w", err)
		}
		jobs[s] = j
		turns.Go(j.asked)
		return nil
	}
	for _, s := range r.d.fleet.Scopes() {
		if err := r.enlist(s); err != nil {
			return err
		}
	}
	if _, err := c.AddFunc(forgetSchedule, func() { r.forget(ctx) }); err != nil {
		return err
	}
	// That the schedule itself still turns, however seldom a refresh is due.
	if _, err := c.AddFunc("@every 1m", r.d.progress.Loop("schedule", maxSilence)); err != nil {
		return err
	}
	c.Start()
	r.answer(ctx, jobs, &turns)
	<-c.Stop().Done()
	turns.Wait()
	return nil
}

// job is the refresh of one scope: one at a time.
type job struct {
	do      func()
	running chan struct{} // holds one while it runs
	waits   atomic.Bool   // one that was asked for begins after the one that runs

	// Of answer's goroutine alone.
	last    time.Time // when one that was asked for began
	due     bool      // one that was asked for waits until askedPause is over
	askedAt time.Time // when two were asked for last
	armedAt time.Time // when the two were asked for whose second is waited for; zero: none is
}

func newJob(do func()) *job { return &job{do: do, running: make(chan struct{}, 1)} }

// scheduled runs, unless it does already: the next time will come.
func (j *job) scheduled() {
	select {
	case j.running <- struct{}{}:
		defer func() { <-j.running }()
		j.do()
	default:
	}
}

// asked runs, after the one under way if there is one: that began before what
// it was asked for.
func (j *job) asked() {
	if j.waits.Swap(true) {
		return
	}
	j.running <- struct{}{}
	defer func() { <-j.running }()
	j.waits.Store(false)
	j.do()
}

// answer refreshes scopes that were asked for, each not too often.
func (r *refreshes) answer(ctx context.Context, jobs map[inventory.Scope]*job, turns *sync.WaitGroup) {
	settle := r.d.Config.Inventory.Settle + time.Second
	due, settled := make(chan *job), make(chan *job)
	later := func(j *job, pause time.Duration, on chan *job) {
		turns.Go(func() {
			if retry.Sleep(ctx, pause) {
				select {
				case on <- j:
				case <-ctx.Done():
				}
			}
		})
	}
	begin := func(j *job) {
		j.last = time.Now()
		turns.Go(j.asked)
	}
	for {
		select {
		case <-ctx.Done():
			return
		case s := <-r.arrived:
			if err := r.enlist(s); err != nil {
				r.d.Log.Error("a new scope can't be refreshed", "account", s.Account, "region", s.Region, "error", err)
			}
		case a := <-r.asked:
			j := jobs[a.scope]
			if j == nil {
				continue
			}
			if a.twice {
				j.askedAt = time.Now()
				if j.armedAt.IsZero() {
					j.armedAt = j.askedAt
					later(j, settle, settled)
				}
			}
			if pause := askedPause - time.Since(j.last); pause <= 0 {
				begin(j)
			} else if !j.due {
				j.due = true
				later(j, pause, due)
			}
		case j := <-due:
			j.due = false
			begin(j)
		case j := <-settled:
			if j.askedAt.After(j.armedAt) {
				j.armedAt = j.askedAt
				later(j, settle-time.Since(j.askedAt), settled)
			} else {
				j.armedAt = time.Time{}
			}
			begin(j)
		}
	}
}

// soon asks for a refresh of one scope, or of all, because of a record. It
// never blocks: when many have asked already, their refreshes will do.
func (r *refreshes) soon(scope inventory.Scope, all bool) {
	scopes := []inventory.Scope{scope}
	if all {
		scopes = r.d.fleet.Scopes()
	}
	for _, s := range scopes {
		r.ask(ask{s, true})
	}
}

func (r *refreshes) ask(a ask) {
	select {
	case r.asked <- a:
	default:
	}
}

// forget drops what is older than the retention.
func (r *refreshes) forget(ctx context.Context) {
	if err := r.d.store.Prune(ctx, time.Now().Add(-r.d.Config.Inventory.Retention)); err != nil && ctx.Err() == nil {
		r.d.Log.Error("forgetting old incidents", "error", err)
	}
}
