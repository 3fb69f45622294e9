package daemon

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"time"

	"flowkeeper/configs"
	"flowkeeper/internal/detection"
	"flowkeeper/internal/scopes"
	"flowkeeper/internal/store"
	"flowkeeper/inventory"
	"flowkeeper/watcher"
)

// factReceived remembers that the queue once answered with this state file:
// from then on its loss is an alarm and no reason to stop, for an attacker may
// have deleted it.
const factReceived = "received"

// queueState is what is known of the queue and of the store, for /readyz and
// for the decision whether a refused receive ends the daemon.
type queueState struct {
	name  string // and where it is
	store *store.Store
	log   *slog.Logger

	commit    func(context.Context) error // tries whether the file can be written
	showAgain chan struct{}               // tells the watcher that commits succeed again

	outage *pipelineOutage // of receiving
	noted  bool            // factReceived is written; of the receiver alone

	mu       sync.Mutex
	answered bool      // a receive has succeeded since the start
	storeBad bool      // a commit failed, and none has succeeded since
	waiting  bool      // messages do, because the file could not be written
	shown    time.Time // when those were shown again last
}

// queueName says which queue, and where it is as far as its URL tells.
func queueName(q configs.Queue) string {
	ref, err := q.Parse()
	if err != nil {
		return q.URL
	}
	return strings.TrimSuffix(ref.Name+" in "+strings.TrimSpace(ref.Account+" "+ref.Region), " in ")
}

// received is called after each successful receive.
func (q *queueState) received(ctx context.Context) {
	q.mu.Lock()
	q.answered = true
	q.mu.Unlock()
	q.outage.Note(nil)
	q.outage.end(ctx)
	if !q.noted {
		q.noted = q.store.SetFact(ctx, factReceived, time.Now().UTC().Format(time.RFC3339)) == nil
	}
}

// failed is called after each failed receive. It reports whether going on
// makes no sense: the queue is missing or refuses us, and never did anything
// else.
func (q *queueState) failed(ctx context.Context, err error) (stop bool) {
	q.outage.Note(err)
	if scopes.Passes(err) {
		return false
	}
	if v, ferr := q.store.Fact(ctx, factReceived); ferr == nil && v == "" {
		return true
	}
	q.outage.alert(ctx, fmt.Sprintf("the queue %s does not answer any more: only the refresh finds deletions now. AWS said: %s", q.name, err))
	return false
}

// storeFailed notes that a commit failed, and why, where that is known.
func (q *queueState) storeFailed(err error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.storeBad, q.waiting = true, q.waiting || store.Unwritable(err)
}

// showAgainAfter is how soon after the last time messages are shown again out of
// turn: where less room is than they need, they may not use up their receives.
const showAgainAfter = time.Minute

// tryCommit writes what changes nothing, to see whether the file can be written.
func (d *Daemon) tryCommit(ctx context.Context) error {
	return d.store.Update(ctx, func(tx *store.Tx) error { return tx.SetTrouble(inventory.Scope{}, stateFile, false) })
}

// tryStore writes, where the last commit failed, a fact that is never set (see
// remembering). Once the file takes that, the messages that waited for the file are
// shown again. A message whose commit failed for a reason of its own comes by itself.
func (q *queueState) tryStore(ctx context.Context, now time.Time) {
	q.mu.Lock()
	bad, waiting := q.storeBad, q.waiting
	q.mu.Unlock()
	if !bad && !waiting {
		return
	}
	err := q.commit(ctx)
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.storeBad = err != nil; err != nil {
		return
	}
	if !q.waiting || now.Sub(q.shown) < showAgainAfter {
		return
	}
	q.waiting, q.shown = false, now
	q.log.Info("the state file can be written again")
	select {
	case q.showAgain <- struct{}{}:
	default: // already asked for
	}
}

// ready says why the daemon is not, or nothing.
func (q *queueState) ready() error {
	q.mu.Lock()
	defer q.mu.Unlock()
	switch {
	case q.storeBad:
		return errNotStored
	case !q.answered:
		return errors.New("the queue has not answered yet")
	case q.outage.Failures() > 0:
		return errors.New("the queue does not answer any more")
	}
	return nil
}

var errNotStored = errors.New("the state file can't be written")

// handler turns the records of one message into findings, and has them dealt
// with.
type handler struct{ d *Daemon }

// Handle implements watcher.Handler.
func (h handler) Handle(ctx context.Context, m watcher.Message) error {
	findings := detection.Findings(m.Records)
	for _, s := range m.Suspects {
		h.suspect(s)
	}
	if len(findings) == 0 {
		return nil
	}
	task := fmt.Sprintf("message %s (%d)", m.ID, h.d.handled.Add(1)) // it may be here twice
	defer h.d.progress.Task(task, maxSilence)()
	err := h.d.remediator.Handle(ctx, findings, func() { h.d.progress.Beat(task) })
	if err != nil && ctx.Err() == nil {
		h.d.queue.storeFailed(err)
	}
	return err
}

// suspect asks for a refresh of a scope, or of all where it is not known (I8).
func (h handler) suspect(s watcher.Suspect) {
	scope := inventory.Scope{Account: s.Account, Region: s.Region}
	_, ours := h.d.fleet.EC2(scope)
	h.d.refreshes.soon(scope, !ours)
}
