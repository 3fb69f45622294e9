package remediate

import (
	"context"
	"time"

	"flowkeeper/internal/outage"
	"flowkeeper/internal/retry"
	"flowkeeper/inventory"
)

const (
	idle      = 15 * time.Second // the longest a restorer sleeps, so that it shows progress
	sayEvery  = 10 * time.Second // how far it is, where much is to be done
	storeRest = time.Second      // after the store failed
)

// Run restores what is due in one scope until ctx ends; the step in hand is
// finished first (I10). beat is called at least every 15 seconds, and in a step
// whenever AWS has answered: many slow creates are no hang.
func (r *Remediator) Run(ctx context.Context, s inventory.Scope, beat func()) error {
	st := r.scope(s)
	p := progress{said: r.Now()}
	for {
		beat()
		n, err := r.Step(ctx, s, beat)
		if ctx.Err() != nil {
			return nil
		}
		r.logProgress(ctx, s, &p)
		r.logOutage(ctx, s, &p, n, err)
		if err == nil && n == batch {
			continue // there may be more
		}
		if !retry.Wait(ctx, r.rest(ctx, s, err), st.wake) {
			return nil
		}
	}
}

// progress of a scope's restores, as the log has it.
type progress struct {
	said   time.Time
	left   int
	outage outage.Outage // of the store: nothing goes on
}

// logOutage logs once that restoring stands still, and once that it is over: when
// something was done, or nothing is due any more.
func (r *Remediator) logOutage(ctx context.Context, s inventory.Scope, p *progress, done int, err error) {
	log := r.Log.With("account", s.Account, "region", s.Region)
	switch {
	case err != nil:
		if p.outage.Note(err) == outage.Began {
			log.Error("restoring stands still, and is tried each second", "error", err)
		}
	case p.outage.Failures() > 0 && (done > 0 || r.nothingDue(ctx, s)):
		p.outage.Note(nil)
		log.Info("restoring is possible again")
	}
}

func (r *Remediator) nothingDue(ctx context.Context, s inventory.Scope) bool {
	var at time.Time
	err := r.Store.View(ctx, func(tx Tx) (err error) { at, err = tx.NextDue(s); return err })
	return err == nil && (at.IsZero() || at.After(r.Now()))
}

// logProgress logs now and then how many flow logs are left to be restored, while they
// become fewer and are more than one Step takes.
func (r *Remediator) logProgress(ctx context.Context, s inventory.Scope, p *progress) {
	now := r.Now()
	if now.Sub(p.said) < sayEvery {
		return
	}
	var left int
	if err := r.Store.View(ctx, func(tx Tx) (err error) { left, err = tx.Unrestored(s); return err }); err != nil {
		return // the step says what is wrong with the store
	}
	if left > batch && left < p.left {
		r.Log.Info("restoring goes on", "account", s.Account, "region", s.Region, "flow_logs_left", left)
	}
	p.said, p.left = now, left
}

// rest is how long until something is due, and the pace allows it.
func (r *Remediator) rest(ctx context.Context, s inventory.Scope, failed error) time.Duration {
	if failed != nil {
		return storeRest
	}
	var at time.Time
	if err := r.Store.View(ctx, func(tx Tx) (err error) { at, err = tx.NextDue(s); return err }); err != nil {
		return storeRest
	}
	if at.IsZero() {
		return idle
	}
	now := r.Now()
	return min(idle, max(time.Millisecond, at.Sub(now), r.scope(s).pace.wait(now)))
}
