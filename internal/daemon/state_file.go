package daemon

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"time"

	"flowkeeper/alert"
	"flowkeeper/internal/retry"
	"flowkeeper/internal/store"
	"flowkeeper/inventory"
)

// stateFileWatch watches the state file: somebody may delete or replace it, and another process
// may change it.
type stateFileWatch struct{ *Daemon }

// run wakes restorers and senders after a command has changed the state file,
// until ctx ends. It reads with the connection that writes, so that a commit that hangs
// stops its progress too. If somebody has deleted or replaced the file, it writes the file
// back and returns an error, which ends the daemon; the next one opens the file that was
// written.
func (w stateFileWatch) run(ctx context.Context) error {
	keepAlive := w.progress.Loop("store", maxSilence)
	last, _ := w.store.Version(ctx)
	released := w.warnReleases(ctx, store.Released{})
	var dropped droppedNotice
	for retry.Sleep(ctx, time.Second) {
		keepAlive()
		if err := w.store.Intact(); errors.Is(err, store.ErrTaken) {
			w.newOutage(alert.PartState, "").Alert(ctx, err.Error())
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
	logged   int64 // how many of them are logged
	loggedAt time.Time
}

// due returns how many dropped alerts to log now; 0: none.
func (n *droppedNotice) due(undelivered int64, now time.Time) int64 {
	fresh := undelivered - n.logged
	if fresh <= 0 || !n.loggedAt.IsZero() && now.Sub(n.loggedAt) < 24*time.Hour {
		return 0
	}
	n.logged, n.loggedAt = undelivered, now
	return fresh
}

// storeHealth knows whether the state file takes commits. Once it does again, storeHealth has the
// messages that failed received again. It is safe for concurrent use.
type storeHealth struct {
	log       *slog.Logger
	commit    func(context.Context) error // tries whether the file can be written
	showAgain chan struct{}               // holds one if the watcher should receive the failed messages again

	mu      sync.Mutex // guards what follows
	broken  bool       // a commit failed, and none has succeeded since
	waiting bool       // messages failed because the file could not be written
	shownAt time.Time  // when messages were last received again
}

// failed notes that a commit failed, and why; nil: not known.
func (h *storeHealth) failed(err error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.broken, h.waiting = true, h.waiting || store.Unwritable(err)
}

// showAgainPause is the shortest time between two times that failed messages are received
// again at once. On a nearly full disk a large message may fail each time, and after a few
// receives it goes to the dead-letter queue.
const showAgainPause = time.Minute

// retry tries a commit if the last one failed. Once it succeeds, the messages that
// failed because the file could not be written are received again at once. A message
// whose commit failed for a reason of its own is received after its visibility timeout.
func (h *storeHealth) retry(ctx context.Context, now time.Time) {
	h.mu.Lock()
	due := h.broken || h.waiting
	h.mu.Unlock()
	if !due {
		return
	}
	err := h.commit(ctx)
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.broken = err != nil; h.broken || !h.waiting || now.Sub(h.shownAt) < showAgainPause {
		return
	}
	h.waiting, h.shownAt = false, now
	h.log.Info("the state file can be written again")
	retry.Wake(h.showAgain)
}

// ready returns an error if the last commit failed.
func (h *storeHealth) ready() error {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.broken {
		return errNotStored
	}
	return nil
}

var errNotStored = errors.New("the state file can't be written")

// tryCommit writes a fact that is never set, to see whether the file can be written.
func (d *Daemon) tryCommit(ctx context.Context) error {
	return d.store.Update(ctx, func(tx *store.Tx) error { return tx.SetOutageAlerted(inventory.Scope{}, alert.PartState, false) })
}
