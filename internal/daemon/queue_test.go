package daemon

import (
	"context"
	"fmt"
	"testing"

	"flowkeeper/configs"
)

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
	} {
		ref, err := configs.Queue{URL: url}.Parse()
		if got := queueName(ref); got != want || err != nil {
			t.Errorf("%s: %q, %v, want %q", url, got, err, want)
		}
	}
}
