package daemon

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"time"

	"flowkeeper/configs"
	"flowkeeper/internal/detection"
	"flowkeeper/internal/pipeline"
	"flowkeeper/internal/scopes"
	"flowkeeper/internal/store"
	"flowkeeper/inventory"
	"flowkeeper/watcher"
)

// factReceived is the time when the queue first answered with this state file. From
// then on a missing queue causes an alert and does not end the daemon: an attacker may
// have deleted the queue.
const factReceived = "received"

// queueState knows whether the queue answers. It implements watcher.QueueHealth. It is safe for concurrent
// use, except Received and Failed, which only the receiver calls.
type queueState struct {
	configs.QueueRef
	store  *store.Store
	outage *pipeline.Outage // of receiving
	noted  bool             // factReceived is written

	answered atomic.Bool // a receive has succeeded since the start
}

// queueName is the name of the queue, with its account and Region if its URL has them.
func queueName(q configs.QueueRef) string {
	return strings.TrimSuffix(q.Name+" in "+strings.TrimSpace(q.Account+" "+q.Region), " in ")
}

// Received is called after each successful receive.
func (q *queueState) Received(ctx context.Context) {
	q.answered.Store(true)
	q.outage.End(ctx)
	if !q.noted {
		q.noted = q.store.SetFact(ctx, factReceived, time.Now().UTC().Format(time.RFC3339)) == nil
	}
}

// Failed is called after each failed receive. It reports whether the daemon should end:
// the queue is missing or refuses these credentials, and has never answered.
func (q *queueState) Failed(ctx context.Context, err error) (stop bool) {
	q.outage.Note(err)
	if scopes.Passes(err) {
		return false
	}
	if v, ferr := q.store.Fact(ctx, factReceived); ferr == nil && v == "" {
		return true
	}
	q.outage.Alert(ctx, fmt.Sprintf("the queue %s does not answer any more: only the refresh finds deletions now. AWS said: %s", queueName(q.QueueRef), err))
	return false
}

// ready returns an error if the queue does not answer.
func (q *queueState) ready() error {
	switch {
	case !q.answered.Load():
		return errors.New("the queue has not answered yet")
	case q.outage.Failures() > 0:
		return errors.New("the queue does not answer any more")
	}
	return nil
}

// handler turns the records of a message into findings, and passes them to the
// remediator.
type handler struct{ d *Daemon }

// RecordMessage implements watcher.Handler.
func (h handler) RecordMessage(ctx context.Context, m watcher.Message) error {
	findings := detection.Findings(m.Records)
	for _, s := range m.Suspects {
		h.refreshSuspect(s)
	}
	if len(findings) == 0 {
		return nil
	}
	for _, f := range findings {
		scope := inventory.Scope{Account: f.Record.Account, Region: f.Record.Region}
		_, ours := h.d.fleet.EC2(scope)
		if ours && (f.Kind == detection.Deleted || f.Kind == detection.Attempted) {
			h.d.refreshes.Often(scope)
		}
	}
	task := fmt.Sprintf("message %s (%d)", m.ID, h.d.handled.Add(1)) // one message may be handled twice at the same time
	defer h.d.progress.Task(task, maxSilence)()
	err := h.d.remediator.RecordFindings(ctx, findings, func() { h.d.progress.KeepAlive(task) })
	if err != nil && ctx.Err() == nil {
		h.d.storeHealth.failed(err)
	}
	return err
}

// refreshSuspect asks for a refresh because something that can't be read may hide a deletion (I8): of the scope that
// it names, if the fleet has that scope. If not, the key of a log file still names the account; any other text that
// can't be parsed may be about any scope.
func (h handler) refreshSuspect(s watcher.Suspect) {
	scope := inventory.Scope{Account: s.Account, Region: s.Region}
	switch {
	case h.d.refreshes.overview().has(scope):
		h.d.refreshes.Soon(scope)
	case s.ByKey:
		h.d.refreshes.AccountSoon(s.Account)
	default:
		h.d.refreshes.AccountSoon("")
	}
}
