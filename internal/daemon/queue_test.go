package daemon

import (
	"context"
	"fmt"
	"log/slog"
	"testing"

	"flowkeeper/configs"
	"flowkeeper/inventory"
	"flowkeeper/remediate"
)

// TestTryStore: the first commit that succeeds again has the messages shown, but
// one whose own commit alone fails can't have itself shown.
func TestTryStore(t *testing.T) {
	t.Parallel()
	broken := &brokenStore{Store: noStore{}}
	q := &queueState{log: slog.New(slog.DiscardHandler), commits: broken, showAgain: make(chan struct{}, 1), answered: true}
	for _, step := range []struct {
		what         string
		fails, full  bool
		ready, shown bool
	}{
		{what: "nothing failed", ready: true},
		{what: "no room", fails: true, full: true},
		{what: "no room yet", full: true},
		{what: "room", ready: true, shown: true},
		{what: "no second time for one failure", ready: true},
		{what: "one message's own failure", fails: true, ready: true},
		{what: "no room again", fails: true, full: true},
		{what: "room again", ready: true, shown: true},
	} {
		broken.full(step.full)
		if step.fails {
			q.storeFailed()
		}
		q.tryStore(t.Context())
		shown := len(q.showAgain) == 1
		for len(q.showAgain) > 0 {
			<-q.showAgain
		}
		if ready := q.ready() == nil; ready != step.ready || shown != step.shown {
			t.Errorf("%s: ready %v, shown %v", step.what, ready, shown)
		}
	}
}

// TestReadyOfTheQueue: what has not begun is another thing than what broke.
func TestReadyOfTheQueue(t *testing.T) {
	t.Parallel()
	q := &queueState{noted: true, clear: true}
	says := func(want string) {
		t.Helper()
		if err := q.ready(); fmt.Sprint(err) != want {
			t.Errorf("%v, want %s", err, want)
		}
	}
	passes := context.DeadlineExceeded // by itself
	says("the queue has not answered yet")
	q.failed(t.Context(), passes)
	says("the queue has not answered yet")
	q.received(t.Context())
	says("<nil>")
	q.failed(t.Context(), passes)
	says("the queue does not answer any more")
	q.received(t.Context())
	says("<nil>")
}

func TestQueueName(t *testing.T) {
	t.Parallel()
	for url, want := range map[string]string{
		"https://sqs.eu-west-1.amazonaws.com/111122223333/flowkeeper": "flowkeeper in 111122223333 eu-west-1",
		"arn:aws:sqs:eu-west-1:111122223333:flowkeeper":               "flowkeeper in 111122223333 eu-west-1",
		"http://localhost:4566/000000000000/flowkeeper":               "flowkeeper in 000000000000",
		"nonsense": "nonsense",
	} {
		if got := queueName(configs.Queue{URL: url}); got != want {
			t.Errorf("%s: %q, want %q", url, got, want)
		}
	}
}

// noStore commits nothing, with success.
type noStore struct{ remediate.Store }

func (noStore) Update(_ context.Context, fn func(remediate.Tx) error) error { return fn(noTx{}) }

type noTx struct{ remediate.Tx }

func (noTx) SetTrouble(inventory.Scope, remediate.Part, bool) error { return nil }
