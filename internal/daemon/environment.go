package daemon

import (
	"context"
	"errors"
	"time"

	"flowkeeper/internal/scopes"
	"flowkeeper/systemd"
)

// factEnvironment is when a daemon last ended because of refused credentials that
// came from its environment.
const factEnvironment = "environment refused"

const (
	environmentPause = 10 * time.Minute // between two such ends, across restarts
	environmentFresh = time.Minute      // after a start there is hardly anything newer
)

var errStaleEnvironment = errors.New("AWS refuses the credentials that came from the environment: ending, so that systemd starts Flowkeeper with what EnvironmentFile= holds now")

// watchEnvironment has endWithStaleEnvironment called for, where systemd starts the
// daemon again. It is called before the first call to AWS.
func (d *Daemon) watchEnvironment() {
	if d.began.IsZero() {
		d.began = time.Now()
	}
	if !systemd.Service() {
		return
	}
	stale := make(chan struct{}, 1)
	d.stale = stale
	scopes.OnRefusedEnvironment(d.AWS, func() {
		select {
		case stale <- struct{}{}:
		default: // one is waiting
		}
	})
}

// endWithStaleEnvironment returns errStaleEnvironment where AWS refuses credentials
// that came from the environment: a process can't read those again, but systemd reads
// EnvironmentFile= at each start. It returns nil when ctx ends.
func (d *Daemon) endWithStaleEnvironment(ctx context.Context) error {
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-d.stale: // nil without systemd
		}
		now := time.Now()
		due, err := d.environmentDue(ctx, now)
		if err == nil && now.Before(due) {
			d.Log.Debug("AWS refuses the credentials that came from the environment; not ending for that yet", "not_before", due.UTC().Format(time.RFC3339))
			continue
		}
		if err == nil && !scopes.RefusedEverywhere(ctx, d.base) {
			d.Log.Debug("AWS refuses the credentials that came from the environment in one place, and STS does not say so: going on")
			continue
		}
		if err == nil { // who can't remember that it ended would end too often
			err = d.store.SetFact(ctx, factEnvironment, now.UTC().Format(time.RFC3339))
		}
		if err == nil {
			return errStaleEnvironment
		}
		if ctx.Err() == nil {
			d.Log.Warn("AWS refuses the credentials that came from the environment, and the state file can't be used to remember an end for that: going on", "error", err)
		}
	}
}

// environmentDue is when the daemon may end at the earliest.
func (d *Daemon) environmentDue(ctx context.Context, now time.Time) (time.Time, error) {
	due := d.began.Add(environmentFresh)
	v, err := d.store.Fact(ctx, factEnvironment)
	if err != nil {
		return due, err
	}
	if last, err := time.Parse(time.RFC3339, v); err == nil && !last.After(now) { // the clock may have gone back
		if next := last.Add(environmentPause); next.After(due) {
			due = next
		}
	}
	return due, nil
}
