package daemon

import (
	"context"
	"errors"
	"time"

	"flowkeeper/internal/pipeline"
	"flowkeeper/internal/retry"
	"flowkeeper/internal/store"
	"flowkeeper/inventory"
)

// stateFileWatch watches the state file, which somebody may take away, and another process
// may change.
type stateFileWatch struct{ *Daemon }

// run wakes restorers and senders after a command has changed the state file,
// until ctx ends. It reads with the connection that writes, so that a commit that hangs
// stops its progress too. If somebody has deleted or replaced the file, it writes the file
// back and returns an error, which ends the daemon; the next one opens the file that was
// written.
func (w stateFileWatch) run(ctx context.Context) error {
	beat := w.progress.Loop("store", maxSilence)
	last, _ := w.store.Version(ctx)
	released := w.warnReleases(ctx, store.Released{})
	var dropped droppedNotice
	for retry.Sleep(ctx, time.Second) {
		beat()
		if err := w.store.Intact(); errors.Is(err, store.ErrTaken) {
			w.newOutage(inventory.Scope{}, pipeline.StateFile, "").Alert(ctx, err.Error())
			return errors.Join(err, w.store.Rescue(context.WithoutCancel(ctx)))
		}
		w.storeHealth.retry(ctx, time.Now())
		if fresh := dropped.due(w.store.Dropped().Undelivered, time.Now()); fresh > 0 {
			w.Log.Warn("alerts of attempts, tampering, or deletions of flow logs that nobody ever saw were dropped before every sink had them, to make room in the state file; those of known flow logs are never dropped. See who makes these calls, and which sink is down",
				"alerts", fresh)
		}
		v, err := w.store.Version(ctx)
		if err != nil || v == last {
			continue
		}
		last = v
		released = w.warnReleases(ctx, released)
		if w.connected.Load() {
			w.remediator.WakeRestorers()
		}
		for _, s := range w.senders {
			s.Hurry()
		}
	}
	return nil
}

// warnReleases logs a warning if more flow logs are released than before, or for longer:
// a release takes their protection away. It returns what is released now, or before if the
// state file can't be read: the next change asks again.
func (w stateFileWatch) warnReleases(ctx context.Context, before store.Released) store.Released {
	now, err := w.store.Released(ctx)
	if err != nil {
		return before
	}
	if now.FlowLogs > before.FlowLogs || now.Until.After(before.Until) {
		w.Log.Warn("flow logs are released: their deletions are alerted, but they are not restored; `flowkeeper inventory list` names them, `flowkeeper inventory release --undo` protects them again",
			"flow_logs", now.FlowLogs, "until", now.Until.UTC().Format(time.RFC3339))
	}
	return now
}

// droppedNotice decides when to log that alerts were dropped before every sink had them:
// at once, then once a day at most.
type droppedNotice struct {
	said   int64 // how many of them are logged
	saidAt time.Time
}

// due returns how many dropped alerts to log now; 0: none.
func (n *droppedNotice) due(undelivered int64, now time.Time) int64 {
	fresh := undelivered - n.said
	if fresh <= 0 || !n.saidAt.IsZero() && now.Sub(n.saidAt) < 24*time.Hour {
		return 0
	}
	n.said, n.saidAt = undelivered, now
	return fresh
}
