package daemon

import (
	"context"
	"fmt"

	"github.com/robfig/cron/v3"

	"flowkeeper/inventory"
	"flowkeeper/remediate/rehearse"
)

// rehearse tries restores as dry runs on rehearsal.schedule, until ctx ends.
func (d *Daemon) rehearse(ctx context.Context) error {
	c, slots := cron.New(), make(chan struct{}, parallelScopes)
	add := func(s inventory.Scope) error {
		if d.Config.Rehearsal.Schedule == "" {
			return nil
		}
		job := cron.NewChain(cron.SkipIfStillRunning(cron.DiscardLogger)).Then(cron.FuncJob(func() {
			if d.refreshes.isOff(s) {
				return
			}
			select {
			case slots <- struct{}{}:
				defer func() { <-slots }()
			case <-ctx.Done():
				return
			}
			d.rehearseScope(ctx, s)
		}))
		if _, err := c.AddJob(d.Config.Rehearsal.Schedule, job); err != nil {
			return fmt.Errorf("rehearsal.schedule: %w", err)
		}
		return nil
	}
	for _, s := range d.fleet.Scopes() {
		if err := add(s); err != nil {
			return err
		}
	}
	c.Start()
	defer func() { <-c.Stop().Done() }()
	for {
		select {
		case s := <-d.rehearsals:
			if err := add(s); err != nil {
				return err
			}
		case <-ctx.Done():
			return nil
		}
	}
}

func (d *Daemon) rehearseScope(ctx context.Context, s inventory.Scope) {
	task := "rehearsal " + s.String()
	defer d.progress.Task(task, maxSilence)()
	var c rehearse.Result
	err := guarded("rehearsal of "+s.String(), func() (err error) {
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
