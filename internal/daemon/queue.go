package daemon

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"time"

	"flowkeeper/configs"
	"flowkeeper/internal/pipeline"
	"flowkeeper/internal/scopes"
)

// factReceived is the time when the queue first answered with this state file. From
// then on a missing queue causes an alert and does not end the daemon: an attacker may
// have deleted the queue.
const factReceived = "received"

// queueState knows whether the queue answers. It implements watcher.QueueHealth. It is safe for concurrent
// use, except Received and Failed, which only the receiver calls.
type queueState struct {
	configs.QueueRef
	facts  facts
	outage *pipeline.Outage // of receiving
	noted  bool             // factReceived is written

	answered atomic.Bool // a receive has succeeded since the start
}

// Received is called after each successful receive.
func (q *queueState) Received(ctx context.Context) {
	q.answered.Store(true)
	q.outage.End(ctx)
	if !q.noted {
		q.noted = q.facts.SetFact(ctx, factReceived, time.Now().UTC().Format(time.RFC3339)) == nil
	}
}

// Failed is called after each failed receive. It reports whether the daemon should end:
// the queue is missing or refuses these credentials, and has never answered.
func (q *queueState) Failed(ctx context.Context, err error) (stop bool) {
	q.outage.Note(err)
	if scopes.Passes(err) {
		return false
	}
	if v, ferr := q.facts.Fact(ctx, factReceived); ferr == nil && v == "" {
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

// queueName is the name of the queue, with its account and Region if its URL has them.
func queueName(q configs.QueueRef) string {
	return strings.TrimSuffix(q.Name+" in "+strings.TrimSpace(q.Account+" "+q.Region), " in ")
}
