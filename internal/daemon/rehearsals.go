package daemon

import (
	"context"
	"sync"
	"time"

	"flowkeeper/internal/retry"
	"flowkeeper/internal/scopes"
	"flowkeeper/inventory"
	"flowkeeper/remediate/rehearse"
)

// rehearsedAtOnce is how many scopes are rehearsed at the same time.
const rehearsedAtOnce = 8

// rehearsals of the scopes, on the schedule rehearsal.schedule: one goroutine begins them, in the
// order of the fleet. A scope that is slow takes one of the slots, and holds up no other.
type rehearsals struct {
	d     *Daemon
	slots *gate

	mu   sync.Mutex               // guards what follows, and what is in each round
	busy map[inventory.Scope]bool // a rehearsal has begun, or waits for its slot
}

func newRehearsals(d *Daemon) *rehearsals {
	return &rehearsals{d: d, slots: newGate(rehearsedAtOnce), busy: map[inventory.Scope]bool{}}
}

// run tries restores as dry runs on rehearsal.schedule, until ctx ends.
func (r *rehearsals) run(ctx context.Context) error {
	if r.d.rehearsing == nil {
		return nil
	}
	for next := r.d.rehearsing.Next(time.Now()); retry.Sleep(ctx, time.Until(next)); {
		r.round(ctx)
		if now := time.Now(); now.After(next) { // else the clock has gone back a little
			next = now
		}
		next = r.d.rehearsing.Next(next)
	}
	return nil
}

// round begins a rehearsal of each scope, and does not wait for them. It leaves out those whose
// last one is not over.
func (r *rehearsals) round(daemon context.Context) {
	sum := &rehearsed{left: 1, began: time.Now()} // 1: this loop
	over := func() {
		if r.over(sum) && daemon.Err() == nil {
			r.d.Log.Info("rehearsed", "scopes", sum.scopes, "incomplete", sum.failed, "tried", sum.Tried, "refused", sum.Refused, "took", time.Since(sum.began).Round(time.Millisecond).String())
		}
	}
	defer over()
	for _, s := range r.d.fleet.Scopes() {
		if r.d.refreshes.overview().isDisabled(s) || !r.take(s, sum) {
			continue
		}
		ctx, done, ok := r.d.scopeLoops.begin(s)
		if !ok {
			r.give(s)
			over()
			continue
		}
		r.slots.enter(ctx, func(leave func()) {
			if ctx.Err() == nil {
				result, err := r.once(ctx, s)
				r.note(sum, result, err)
			}
			r.give(s)
			leave()
			done()
			over()
		})
	}
}

// once rehearses a scope once, and logs a failure, or that AWS would refuse restores.
func (r *rehearsals) once(ctx context.Context, s inventory.Scope) (result rehearse.Result, err error) {
	task := "rehearsal " + s.String()
	defer r.d.progress.Task(task, maxSilence)()
	err = recovered("rehearsal of "+s.String(), func() (err error) {
		result, err = r.d.rehearser.Rehearse(ctx, s, func() { r.d.progress.KeepAlive(task) })
		return err
	})
	log := r.d.Log.With("account", s.Account, "region", s.Region, "tried", result.Tried, "refused", result.Refused)
	switch {
	case ctx.Err() != nil:
	case err != nil:
		log.Warn("the rehearsal is not complete; the next one tries again", "error", err)
	case result.Refused > 0:
		log.Info("rehearsed, and AWS would refuse restores")
	}
	return result, err
}

// take notes that a scope is rehearsed in a round, and reports false if it is rehearsed already.
func (r *rehearsals) take(s inventory.Scope, sum *rehearsed) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.busy[s] {
		return false
	}
	r.busy[s] = true
	sum.left++
	return true
}

func (r *rehearsals) give(s inventory.Scope) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.busy, s)
}

// rehearsed is the result of one round, for its line of log. Once it is over, nobody changes it.
type rehearsed struct {
	began time.Time
	left  int // how many rehearsals are not over yet
	rehearse.Result
	scopes, failed int
}

// note adds the result of one scope.
func (r *rehearsals) note(sum *rehearsed, result rehearse.Result, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	sum.scopes++
	sum.Tried, sum.Refused = sum.Tried+result.Tried, sum.Refused+result.Refused
	if err != nil {
		sum.failed++
	}
}

// over notes that one part of the round is over, and reports whether it was the last.
func (r *rehearsals) over(sum *rehearsed) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	sum.left--
	return sum.left == 0
}

// rehearsalFleet is a fleet whose clients are used for rehearsals. It implements rehearse.Fleet.
type rehearsalFleet struct{ *scopes.Fleet }

// EC2 implements rehearse.Fleet.
func (f rehearsalFleet) EC2(s inventory.Scope) (rehearse.EC2, bool) { return f.Fleet.EC2(s) }
