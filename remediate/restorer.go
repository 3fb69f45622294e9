package remediate

import (
	"context"
	"time"

	"flowkeeper/internal/outage"
)

const (
	progressEvery = 10 * time.Second // the progress of many restores is logged so often
	storePause    = time.Second      // after the store failed
)

// restorer restores what is due in one scope: it observes, decides, creates, and verifies.
type restorer struct {
	scopeParts
	parallel func(most int, tasks ...func() error) error
	jitter   func() float64
	meter    Meter         // nil: nothing is counted
	asking   chan struct{} // holds one for each restorer that asks the store what is due
}

// endStep logs the progress of the scope after a step, and returns how long to wait before the next one; 0: there may be
// more to do. The step worked on done incidents. err says that it failed, in whole or in part, or that what is due could
// not be read.
func (r restorer) endStep(ctx context.Context, done int, err error, p *progress) (pause time.Duration) {
	if ctx.Err() != nil {
		return 0
	}
	r.logProgress(ctx, p)
	var next time.Time
	var nextErr error
	if err == nil && done < batch {
		next, nextErr = r.nextDue(ctx)
	}
	r.logOutage(p.note(done, nextErr != nil || isDue(next, r.store.now()), err), err)
	if err != nil || nextErr != nil {
		return storePause
	}
	if done >= batch {
		return 0
	}
	return r.pauseUntil(next)
}

// isDue reports whether the time at has come. The zero time never comes.
func isDue(at, now time.Time) bool { return !at.IsZero() && !at.After(now) }

// progress is what the log says of a scope's restores.
type progress struct {
	loggedAt time.Time     // when the number of flow logs was last logged, or would have been
	left     int           // flow logs to be restored then
	outage   outage.Outage // of the steps
}

// note notes how a step has ended, and returns whether an outage has begun or ended with it. err says that the step
// failed, in whole or in part. An outage ends with a step that did something without an error, or after which nothing
// is due. isDue: something may be due after the step.
func (p *progress) note(done int, isDue bool, err error) outage.Change {
	if err == nil && done == 0 && isDue {
		return outage.None
	}
	return p.outage.Note(err)
}

func (r restorer) logOutage(c outage.Change, err error) {
	switch c {
	case outage.Began:
		r.log.Error("not all that is due could be done; it is tried again each second", "error", err)
	case outage.Ended:
		r.log.Info("all that is due can be done again")
	}
}

func (r restorer) nextDue(ctx context.Context) (time.Time, error) {
	var upcoming Upcoming
	err := r.ask(ctx, func(tx scopeTx) (err error) { upcoming, err = tx.NextDue(tx.scope); return err })
	return upcoming.At(), err
}

// ask runs fn, which reads from the store what is due, once one of the slots for this is free.
func (r restorer) ask(ctx context.Context, fn func(scopeTx) error) error {
	select {
	case r.asking <- struct{}{}:
		defer func() { <-r.asking }()
	case <-ctx.Done():
		return ctx.Err()
	}
	return r.store.view(ctx, fn)
}

// logProgress logs how many flow logs are left to be restored, while they become fewer and are
// more than one step takes.
func (r restorer) logProgress(ctx context.Context, p *progress) {
	now := r.store.now()
	if now.Sub(p.loggedAt) < progressEvery {
		return
	}
	left, err := read(ctx, r.store, func(tx scopeTx) (int, error) { return tx.Unrestored(tx.scope) })
	if err != nil {
		return // the step logs what is wrong with the store
	}
	if left > batch && left < p.left {
		r.log.Info("restoring goes on", "flow_logs_left", left)
	}
	p.loggedAt, p.left = now, left
}

// pauseUntil is how long to wait until something that is due at a time (zero: never) can be done: until it is due and
// the pace allows it, but no longer than idle.
func (r restorer) pauseUntil(at time.Time) time.Duration {
	if at.IsZero() {
		return idle
	}
	now := r.store.now()
	return min(idle, max(time.Millisecond, at.Sub(now), r.client.pace.wait(now)))
}
