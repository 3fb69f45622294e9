package daemon

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/smithy-go"

	"flowkeeper/alert"
	"flowkeeper/configs"
	"flowkeeper/internal/pipeline"
	"flowkeeper/inventory"
	"flowkeeper/remediate/notify"
)

// outages is an outbox that counts the alerts of outages.
type outages struct {
	pipeline.Outbox
	alerts int
}

func (*outages) OwesEnd(context.Context, inventory.Scope, alert.Part) (bool, error) {
	return false, nil
}

func (o *outages) Add(context.Context, alert.Alert, *notify.OutageNote) error {
	o.alerts++
	return nil
}

// inMemory are facts.
type inMemory map[string]string

func (m inMemory) Fact(_ context.Context, name string) (string, error) { return m[name], nil }

func (m inMemory) SetFact(_ context.Context, name, value string) error {
	m[name] = value
	return nil
}

// newQueueState returns the state of a queue, and what it alerts of.
func newQueueState(known inMemory) (*queueState, *outages) {
	var out outages
	return &queueState{facts: known, outage: pipeline.New(&out, inventory.Scope{}, alert.PartQueue, "it answers")}, &out
}

// TestAMissingQueueEndsOnlyAFirstStart: if AWS refuses a receive, the daemon ends only if the queue has never answered
// with this state file. Later somebody may have deleted the queue: there is an alert, and refreshes go on.
func TestAMissingQueueEndsOnlyAFirstStart(t *testing.T) {
	t.Parallel()
	missing := &smithy.GenericAPIError{Code: "AWS.SimpleQueueService.NonExistentQueue"}
	for name, c := range map[string]struct {
		known  inMemory
		answer bool // before the failure
		err    error
		stop   bool
		alerts int
	}{
		"never answered":                  {inMemory{}, false, missing, true, 0},
		"never answered, and it is slow":  {inMemory{}, false, context.DeadlineExceeded, false, 0},
		"answered to this daemon":         {inMemory{}, true, missing, false, 1},
		"answered to an earlier daemon":   {inMemory{factReceived: "2026-03-01T12:00:00Z"}, false, missing, false, 1},
		"answered before, and it is slow": {inMemory{factReceived: "2026-03-01T12:00:00Z"}, false, context.DeadlineExceeded, false, 0},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			q, out := newQueueState(c.known)
			if c.answer {
				q.Received(t.Context())
			}
			if stop := q.Failed(t.Context(), c.err); stop != c.stop || out.alerts != c.alerts {
				t.Errorf("the daemon ends: %t, after %d alerts; want %t, %d", stop, out.alerts, c.stop, c.alerts)
			}
		})
	}
}

// TestReadyOfTheQueue: before SQS has answered for the first time, the error does not say that SQS answered before.
func TestReadyOfTheQueue(t *testing.T) {
	t.Parallel()
	q, _ := newQueueState(inMemory{})
	says := func(want string) {
		t.Helper()
		if err := q.ready(); fmt.Sprint(err) != want {
			t.Errorf("%v, want %s", err, want)
		}
	}
	passes := context.DeadlineExceeded // a failure that passes by itself
	says("the queue has not answered yet")
	q.Failed(t.Context(), passes)
	says("the queue has not answered yet")
	q.Received(t.Context())
	says("<nil>")
	q.Failed(t.Context(), passes)
	says("the queue does not answer any more")
	q.Received(t.Context())
	says("<nil>")
}

func TestQueueName(t *testing.T) {
	t.Parallel()
	for url, want := range map[string]string{
		"https://sqs.eu-west-1.amazonaws.com/111122223333/flowkeeper": "flowkeeper in 111122223333 eu-west-1",
		"arn:aws:sqs:eu-west-1:111122223333:flowkeeper":               "flowkeeper in 111122223333 eu-west-1",
		"http://localhost:4566/000000000000/flowkeeper":               "flowkeeper in 000000000000",
	} {
		t.Run(url, func(t *testing.T) {
			t.Parallel()
			ref, err := configs.Queue{URL: url}.Parse()
			if got := queueName(ref); got != want || err != nil {
				t.Errorf("%q, %v, want %q", got, err, want)
			}
		})
	}
}

func TestAccountThatIsNotOursIsLeftAlone(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	h.plant("us-east-1", "vpc-1")
	h.refreshed()
	for range 3 {
		id := h.plant("us-east-1", "vpc-1")
		if !h.world.Remove(account, "us-east-1", id) {
			t.Fatal(id)
		}
		stranger := ec2.New(ec2.Options{Region: "us-east-1", HTTPClient: h.world.HTTPClient(), Credentials: h.user("mallory")})
		if _, err := stranger.DeleteFlowLogs(t.Context(), &ec2.DeleteFlowLogsInput{FlowLogIds: []string{h.plant("us-east-1", "vpc-1")}}); err != nil {
			t.Fatal(err)
		}
	}
	h.await("the records to be acknowledged", func() bool { return h.world.Deleted(h.queue) == 3 })
	if n := strings.Count(h.log.String(), "not configured"); n != 1 {
		t.Errorf("the scope that is not configured was logged %d times, want 1", n)
	}
	if len(h.pager.of(alert.Deletion))+len(h.world.Calls("CreateFlowLogs")) != 0 {
		t.Error("a deletion in a scope that is not configured is alerted or restored")
	}
}

// TestI8Garbage: messages that can't be parsed stop nothing, and stay in the queue until its redrive policy moves them
// to the dead-letter queue.
func TestI8Garbage(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	id := h.plant(region, "vpc-1")
	for _, body := range []string{"{", "null", "[[[[", strings.Repeat("x", 1000), `{"Type":"Notification","Message":"{"}`} {
		if err := h.world.Send(h.queue, body); err != nil {
			t.Fatal(err)
		}
	}
	h.refreshed()
	h.strike(id)
	h.awaitBack(region, "vpc-1")
	h.await("the record to be acknowledged", func() bool { return h.world.Deleted(h.queue) > 0 })
	if v, f := h.world.QueueDepth(h.queue); v+f < 5 {
		t.Errorf("%d messages are left of 5: some that can't be parsed were deleted", v+f)
	}
}

func TestMissingQueue(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	h.daemon.Config.Queue.URL = strings.Replace(h.daemon.Config.Queue.URL, "/flowkeeper", "/flow-keeper", 1)
	if err := h.daemon.Run(t.Context()); err == nil || !strings.Contains(err.Error(), "flow-keeper") {
		t.Errorf("the error does not name the queue: %v", err)
	}
}

// TestDeletedQueue: an attacker deletes the queue. One alert says so, the daemon is not ready, and refreshes still find
// and restore what is deleted.
func TestDeletedQueue(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	id := h.plant(region, "vpc-1")
	h.refreshed()
	h.await("the queue's first answer", func() bool { return h.daemon.queue.ready() == nil })
	h.world.Fail("ReceiveMessage", 1<<30, "AWS.SimpleQueueService.NonExistentQueue", http.StatusBadRequest)
	h.await("the alert", func() bool { return len(h.pager.of(alert.Pipeline)) == 1 })
	a := h.pager.of(alert.Pipeline)[0]
	if want := "Flow logs at risk: the queue flowkeeper in 111122223333 eu-west-1 does not answer any more"; a.Title != want {
		t.Errorf("title %q", a.Title)
	}
	if !strings.Contains(a.Cause, "NonExistentQueue") || !strings.Contains(a.Text, "To do: make the queue again") {
		t.Error(a.Text)
	}
	if err := h.daemon.health().ready(); err == nil {
		t.Error("the daemon is ready without a queue")
	}
	h.strike(id)
	h.awaitBack(region, "vpc-1")
	if n := len(h.pager.of(alert.Pipeline)); n != 1 {
		t.Errorf("%d alerts of the pipeline, want 1", n)
	}
}

// TestTheEndOfAnOutage: the alert that an outage has ended has the dedup key of the alert that it began, so that it
// resolves the pager incident.
func TestTheEndOfAnOutage(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	h.plant(region, "vpc-1")
	h.refreshed()
	h.await("the queue's first answer", func() bool { return h.daemon.queue.ready() == nil })
	h.world.Fail("ReceiveMessage", 2, "AccessDenied", http.StatusForbidden)
	h.await("the alert that the outage has ended", func() bool { return len(h.pager.of(alert.Pipeline)) == 2 })
	if a := h.pager.of(alert.Pipeline); !a[1].Resolves() || a[1].DedupKey != a[0].DedupKey || a[0].Resolves() || a[1].Title != "Works again: the queue answers again" {
		t.Errorf("%+v", a)
	}
}
