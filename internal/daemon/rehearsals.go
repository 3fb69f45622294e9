package daemon

import (
	"context"
	"time"

	"flowkeeper/internal/retry"
	"flowkeeper/inventory"
	"flowkeeper/remediate/rehearse"
)

// rehearsedAtOnce is how many scopes are rehearsed at the same time.
const rehearsedAtOnce = 8

// rehearsals of the scopes, on the schedule rehearsal.schedule.
type rehearsals struct{ *Daemon }

// run tries restores in a scope as dry runs on rehearsal.schedule, until ctx ends.
func (r rehearsals) run(ctx context.Context, s inventory.Scope) error {
	if r.rehearsing == nil {
		return nil
	}
	for next := r.rehearsing.Next(time.Now()); retry.Sleep(ctx, time.Until(next)); {
		if !r.refreshes.isDisabled(s) {
			select {
			case r.rehearsalSlots <- struct{}{}:
				r.once(ctx, s)
				<-r.rehearsalSlots
			case <-ctx.Done():
			}
		}
		if now := time.Now(); now.After(next) { // else the clock has gone back a little
			next = now
		}
		next = r.rehearsing.Next(next)
	}
	return nil
}

// once rehearses a scope once, and logs what came of it.
func (r rehearsals) once(ctx context.Context, s inventory.Scope) {
	task := "rehearsal " + s.String()
	defer r.progress.Task(task, maxSilence)()
	var c rehearse.Result
	err := recovered("rehearsal of "+s.String(), func() (err error) {
		c, err = r.rehearser.Rehearse(ctx, s, func() { r.progress.Beat(task) })
		return err
	})
	log := r.Log.With("account", s.Account, "region", s.Region, "tried", c.Tried, "refused", c.Refused)
	switch {
	case ctx.Err() != nil:
	case err != nil:
		log.Warn("the rehearsal is not complete; the next one tries again", "error", err)
	default:
		log.Info("rehearsed")
	}
}
