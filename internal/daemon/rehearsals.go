package daemon

import (
	"context"
	"time"

	"flowkeeper/internal/retry"
	"flowkeeper/inventory"
	"flowkeeper/remediate/rehearse"
)

// rehearsals decides when the restores of each scope are rehearsed.
type rehearsals struct {
	d     *Daemon
	slots chan struct{} // holds one for each scope that is being rehearsed
}

func newRehearsals(d *Daemon) *rehearsals {
	return &rehearsals{d: d, slots: make(chan struct{}, parallelScopes)}
}

// run tries restores in a scope as dry runs on rehearsal.schedule, until ctx ends.
func (r *rehearsals) run(ctx context.Context, s inventory.Scope) error {
	schedule := r.d.schedules.rehearsal
	if schedule == nil {
		return nil
	}
	for next := schedule.Next(time.Now()); retry.Sleep(ctx, time.Until(next)); {
		if !r.d.refreshes.isDisabled(s) {
			select {
			case r.slots <- struct{}{}:
				r.rehearse(ctx, s)
				<-r.slots
			case <-ctx.Done():
			}
		}
		if now := time.Now(); now.After(next) { // else the clock has gone back a little
			next = now
		}
		next = schedule.Next(next)
	}
	return nil
}

// rehearse rehearses a scope once, and logs what came of it.
func (r *rehearsals) rehearse(ctx context.Context, s inventory.Scope) {
	task := "rehearsal " + s.String()
	defer r.d.progress.Task(task, maxSilence)()
	var c rehearse.Result
	err := recovered("rehearsal of "+s.String(), func() (err error) {
		c, err = r.d.rehearser.Rehearse(ctx, s, func() { r.d.progress.Beat(task) })
		return err
	})
	log := r.d.Log.With("account", s.Account, "region", s.Region, "tried", c.Tried, "refused", c.Refused)
	switch {
	case ctx.Err() != nil:
	case err != nil:
		log.Warn("the rehearsal is not complete; the next one tries again", "error", err)
	default:
		log.Info("rehearsed")
	}
}
