package daemon

import (
	"context"
	"errors"
	"time"

	"flowkeeper/internal/retry"
	"flowkeeper/internal/store"
	"flowkeeper/inventory"
)

// notices is what the daemon notices of its state file; run's goroutine owns it.
type stateFileWatch struct {
	d        *Daemon
	released store.Released // when it was looked last
	dropped  droppedNotice
}

// run wakes the restorers after a command of another process has
// changed the state file. It asks by the connection that writes, and so notices
// too when a commit hangs. Where somebody has taken the file away, it is written
// back, and the daemon ends to begin anew with it.
func (w *stateFileWatch) run(ctx context.Context) error {
	d := w.d
	beat := d.progress.Loop("store", maxSilence)
	last, _ := d.store.Version(ctx)
	w.warnReleases(ctx)
	for retry.Sleep(ctx, time.Second) {
		beat()
		if err := d.store.Intact(); errors.Is(err, store.ErrTaken) {
			d.newOutage(inventory.Scope{}, stateFile, "").alert(ctx, err.Error())
			return errors.Join(err, d.store.Rescue(context.WithoutCancel(ctx)))
		}
		d.storeHealth.retry(ctx, time.Now())
		w.warnDropped()
		v, err := d.store.Version(ctx)
		if err == nil && v != last {
			last = v
			w.warnReleases(ctx)
			if d.connected.Load() {
				d.remediator.WakeAll()
			}
			for _, s := range d.senders {
				s.Hurry()
			}
		}
	}
	return nil
}

// releases warns where more flow logs are released than before, or for longer: who
// does that takes their protection away.
func (w *stateFileWatch) warnReleases(ctx context.Context) {
	now, err := w.d.store.Released(ctx)
	if err != nil {
		return // the next change asks again
	}
	if now.FlowLogs > w.released.FlowLogs || now.Until.After(w.released.Until) {
		w.d.Log.Warn("flow logs are released: who deletes them is told of, but they are not restored; `flowkeeper inventory list` names them, `flowkeeper inventory release --undo` protects them again",
			"flow_logs", now.FlowLogs, "until", now.Until.UTC().Format(time.RFC3339))
	}
	w.released = now
}

// droppedNotice says in the log that alerts were dropped before every sink had
// them: once, and again after a day at most.
type droppedNotice struct {
	said   int64 // of them
	saidAt time.Time
}

// due reports how many there are to be said of now; 0: none.
func (n *droppedNotice) due(undelivered int64, now time.Time) int64 {
	fresh := undelivered - n.said
	if fresh <= 0 || !n.saidAt.IsZero() && now.Sub(n.saidAt) < 24*time.Hour {
		return 0
	}
	n.said, n.saidAt = undelivered, now
	return fresh
}

// drops logs what was dropped.
func (w *stateFileWatch) warnDropped() {
	if fresh := w.dropped.due(w.d.store.Dropped().Undelivered, time.Now()); fresh > 0 {
		w.d.Log.Warn("alerts of attempts, tampering, or deletions of flow logs that nobody ever saw were dropped before every sink had them, to make room in the state file; those of known flow logs are never dropped. See who makes these calls, and which sink is down",
			"alerts", fresh)
	}
}
