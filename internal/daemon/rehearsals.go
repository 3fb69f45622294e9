package daemon

import (
	"context"
	"time"

	"flowkeeper/internal/retry"
	"flowkeeper/inventory"
	"flowkeeper/remediate/rehearse"
)

// rehearse tries restores in a scope as dry runs on rehearsal.schedule, until ctx ends.
func (d *Daemon) rehearse(ctx context.Context, s inventory.Scope) error {
	if d.rehearsing == nil {
		return nil
	}
	for next := d.rehearsing.Next(time.Now()); retry.Sleep(ctx, time.Until(next)); {
		if !d.refreshes.isDisabled(s) {
			select {
			case d.rehearsals <- struct{}{}:
				d.rehearseOnce(ctx, s)
				<-d.rehearsals
			case <-ctx.Done():
			}
		}
		if now := time.Now(); now.After(next) { // else the clock has gone back a little
			next = now
		}
		next = d.rehearsing.Next(next)
	}
	return nil
}

// rehearseOnce rehearses a scope once, and logs what came of it.
func (d *Daemon) rehearseOnce(ctx context.Context, s inventory.Scope) {
	task := "rehearsal " + s.String()
	defer d.progress.Task(task, maxSilence)()
	var c rehearse.Result
	err := recovered("rehearsal of "+s.String(), func() (err error) {
		c, err = d.rehearser.Rehearse(ctx, s, func() { d.progress.Beat(task) })
		return err
	})
	log := d.Log.With("account", s.Account, "region", s.Region, "tried", c.Tried, "refused", c.Refused)
	switch {
	case ctx.Err() != nil:
	case err != nil:
		log.Warn("the rehearsal is not complete; the next one tries again", "error", err)
	default:
		log.Info("rehearsed")
	}
}
