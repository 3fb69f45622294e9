package remediate

import (
	"context"
	"time"

	"flowkeeper/internal/outage"
)

const (
	sayEvery  = 10 * time.Second // how far it is, where much is to be done
	storeRest = time.Second      // after the store failed
)

// restorer restores what is due in one scope: it observes, decides, creates, and verifies.
type restorer struct {
	scopeParts
	parallel func(most int, tasks ...func() error) error
	jitter   func() float64
	meter    Meter         // nil: nothing is counted
	asking   chan struct{} // holds one for each restorer that asks the store what is due
}

// workOff does a step about what is due, unless that could not be read for an error. It logs how far the scope
// is, and returns how long to wait before the next one; 0: there may be more to do.
func (r restorer) workOff(ctx context.Context, w work, err error, keepAlive func(), p *progress) (pause time.Duration) {
	n := 0
	if err == nil {
		n, err = r.reconcile(ctx, w, keepAlive)
	}
	if ctx.Err() != nil {
		return 0
	}
	r.logProgress(ctx, p)
	var next time.Time
	var unread error
	if err == nil && n < batch {
		next, unread = r.nextDue(ctx)
	}
	r.logOutage(p.note(n, unread != nil || isDue(next, r.store.now()), err), err)
	if err != nil || unread != nil {
		return storeRest
	}
	if n >= batch {
		return 0
	}
	return r.rest(next)
}

// isDue reports whether what is due at a time, the zero time being never, is due now.
func isDue(at, now time.Time) bool { return !at.IsZero() && !at.After(now) }

// progress of a scope's restores, as the log has it.
type progress struct {
	said   time.Time
	left   int
	outage outage.Outage // of the steps
}

// note notes how a step has ended, which failed in whole or in part if there is an error, and says what that changes.
// An outage is over when a step did something without an error, or nothing is due any more. isDue: something
// may be due after the step.
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

// ask has fn ask the store what is due.
func (r restorer) ask(ctx context.Context, fn func(scopeTx) error) error {
	select {
	case r.asking <- struct{}{}:
		defer func() { <-r.asking }()
	case <-ctx.Done():
		return ctx.Err()
	}
	return r.store.view(ctx, fn)
}

// logProgress logs now and then how many flow logs are left to be restored, while they
// become fewer and are more than one step takes.
func (r restorer) logProgress(ctx context.Context, p *progress) {
	now := r.store.now()
	if now.Sub(p.said) < sayEvery {
		return
	}
	left, err := read(ctx, r.store, func(tx scopeTx) (int, error) { return tx.Unrestored(tx.scope) })
	if err != nil {
		return // the step says what is wrong with the store
	}
	if left > batch && left < p.left {
		r.log.Info("restoring goes on", "flow_logs_left", left)
	}
	p.said, p.left = now, left
}

// rest is how long until what is due at a time is due, and the pace allows it.
func (r restorer) rest(at time.Time) time.Duration {
	if at.IsZero() {
		return idle
	}
	now := r.store.now()
	return min(idle, max(time.Millisecond, at.Sub(now), r.client.pace.wait(now)))
}
