package daemon

import (
	"context"
	"errors"
	"time"

	"flowkeeper/internal/retry"
	"flowkeeper/internal/scopes"
	"flowkeeper/systemd"
)

// factEnvironment is the time when a daemon last ended because AWS refused the credentials
// from its environment.
const factEnvironment = "environment refused"

const (
	environmentPause = 10 * time.Minute // between two such ends of daemons on one state file
	environmentFresh = time.Minute      // after a start: so soon, EnvironmentFile= hardly holds newer credentials
)

var errStaleEnvironment = errors.New("AWS refuses the credentials that came from the environment: ending, so that systemd starts Flowkeeper with what EnvironmentFile= holds now")

// environment ends the daemon if AWS refuses the credentials that came from its environment
// and systemd starts it again. A process can't read its environment again, but systemd
// reads EnvironmentFile= at each start.
type environment struct {
	d     *Daemon
	began time.Time     // of this process, and so of its environment
	stale chan struct{} // holds one if AWS has refused the credentials; nil without systemd
}

// watch begins to watch for refusals. It is called before the first call to AWS.
func (e *environment) watch(d *Daemon) {
	e.d = d
	if e.began.IsZero() {
		e.began = time.Now()
	}
	if !systemd.Service() {
		return
	}
	e.stale = make(chan struct{}, 1)
	scopes.OnRefusedEnvironment(d.AWS, func() { retry.Wake(e.stale) })
}

// await returns errStaleEnvironment once the daemon should end, and nil when ctx ends.
func (e *environment) await(ctx context.Context) error {
	for retry.Wait(ctx, retry.Forever, e.stale) {
		end, err := e.end(ctx, time.Now())
		if end {
			return errStaleEnvironment
		}
		if err != nil && ctx.Err() == nil {
			e.d.Log.Warn("AWS refuses the credentials that came from the environment, and the state file can't be used to remember an end for that: going on", "error", err)
		}
	}
	return nil
}

// end reports whether to end now, and remembers the time. It returns false if the time can't
// be stored, because then daemons would end too often.
func (e *environment) end(ctx context.Context, now time.Time) (bool, error) {
	due, err := e.due(ctx, now)
	switch {
	case err != nil:
		return false, err
	case now.Before(due):
		e.d.Log.Debug("AWS refuses the credentials that came from the environment; not ending for that yet", "not_before", due.UTC().Format(time.RFC3339))
		return false, nil
	case !scopes.RefusedEverywhere(ctx, e.d.base):
		e.d.Log.Debug("AWS refuses the credentials that came from the environment in one place, and STS does not say so: going on")
		return false, nil
	}
	err = e.d.store.SetFact(ctx, factEnvironment, now.UTC().Format(time.RFC3339))
	return err == nil, err
}

// due returns when the daemon may end at the earliest.
func (e *environment) due(ctx context.Context, now time.Time) (time.Time, error) {
	due := e.began.Add(environmentFresh)
	v, err := e.d.store.Fact(ctx, factEnvironment)
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
