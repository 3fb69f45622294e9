package daemon

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"syscall"
	"testing"
	"time"

	"flowkeeper/configs"
)

// TestTryStore: once the file can be written, the messages that waited for it are
// shown, and not one whose own commit fails; where it takes only little, once a
// minute.
func TestTryStore(t *testing.T) {
	t.Parallel()
	full := false
	commit := func(context.Context) error {
		if full {
			return syscall.ENOSPC
		}
		return nil
	}
	q := &queueState{log: slog.New(slog.DiscardHandler), commit: commit, showAgain: make(chan struct{}, 1), answered: true, outage: &pipelineOutage{}}
	now := time.Date(2026, 11, 1, 0, 0, 0, 0, time.UTC)
	noRoom := fmt.Errorf("write: %w", syscall.ENOSPC)
	for _, step := range []struct {
		what         string
		after        time.Duration
		fails        error
		full         bool
		ready, shown bool
	}{
		{what: "nothing failed", ready: true},
		{what: "no room", fails: noRoom, full: true},
		{what: "no room yet", after: time.Second, full: true},
		{what: "room", after: time.Second, ready: true, shown: true},
		{what: "no second time for one failure", after: time.Hour, ready: true},
		{what: "one message's own failure", fails: errors.New("constraint failed"), ready: true},
		{what: "room for little", fails: noRoom, ready: true, shown: true},
		{what: "still", after: time.Second, fails: noRoom, ready: true},
		{what: "too soon", after: showAgainAfter - 2*time.Second, ready: true},
		{what: "a minute later", after: time.Second, ready: true, shown: true},
	} {
		now = now.Add(step.after)
		full = step.full
		if step.fails != nil {
			q.storeFailed(step.fails)
		}
		q.tryStore(t.Context(), now)
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
	q := &queueState{noted: true, outage: &pipelineOutage{endStored: true}}
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
