package watcher

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"
	"go.uber.org/goleak"
	"pgregory.net/rapid"

	"flowkeeper/internal/cloudtrail"
	"flowkeeper/internal/fakeaws/fakeawstest"
	"flowkeeper/internal/retry"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// queue is a queue of the fake AWS, with an SQS client of the SDK.
type queue struct {
	world *fakeawstest.World
	arn   string
	url   string
	api   *sqs.Client
}

func newQueue(t testing.TB) *queue {
	t.Helper()
	w := fakeawstest.New(fakeawstest.Options{})
	_, arn := w.CreateQueue("111122223333", "eu-west-1", "q", map[string]string{"VisibilityTimeout": "60"})
	user := w.User("111122223333", "flowkeeper", true)
	return &queue{world: w, arn: arn, url: "http://aws.test/queue/eu-west-1/111122223333/q",
		api: sqs.New(sqs.Options{Region: "eu-west-1", HTTPClient: w.HTTPClient(), BaseEndpoint: aws.String("http://aws.test"), RetryMaxAttempts: 1,
			Credentials: credentials.NewStaticCredentialsProvider(user.AccessKeyID, user.SecretAccessKey, "")})}
}

func (q *queue) send(t testing.TB, body string) {
	t.Helper()
	if err := q.world.Send(q.arn, body); err != nil {
		t.Fatal(err)
	}
}

type handlerFunc func(context.Context, Message) error

func (f handlerFunc) RecordMessage(ctx context.Context, m Message) error { return f(ctx, m) }

// health is a QueueHealth. A call for which it has no function does nothing.
type health struct {
	received func()
	failed   func() (stop bool)
}

func (h health) Received(context.Context) {
	if h.received != nil {
		h.received()
	}
}

func (h health) Failed(context.Context, error) bool { return h.failed != nil && h.failed() }

// watch runs a watcher until the test ends or calls stop, which returns the error of Run.
func watch(t testing.TB, api SQS, url string, h handlerFunc, change func(*Config)) (stop func() error) {
	t.Helper()
	c := Config{QueueURL: url, WaitTime: time.Second, VisibilityTimeout: time.Minute,
		Health: health{}, KeepAlive: func() {}}
	if change != nil {
		change(&c)
	}
	w := New(c, api, h, slog.New(slog.DiscardHandler))
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- w.Run(ctx) }()
	var once sync.Once
	var err error
	stop = func() error { once.Do(func() { cancel(); err = <-done }); return err }
	t.Cleanup(func() { stop() })
	return stop
}

// tally is a Meter that keeps the counts.
type tally struct {
	mu     sync.Mutex
	counts map[string]int // by outcome, and by kind/outcome
	oldest time.Duration

	noCalls map[cloudtrail.NoCall]int
}

func (c *tally) Counted(k Kind, outcome string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.counts == nil {
		c.counts = map[string]int{}
	}
	c.counts[outcome]++
	c.counts[string(k)+"/"+outcome]++
}

func (c *tally) NoCall(n cloudtrail.NoCall) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.noCalls == nil {
		c.noCalls = map[cloudtrail.NoCall]int{}
	}
	c.noCalls[n]++
}

func (c *tally) Oldest(age time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.oldest = max(c.oldest, age)
}

func (c *tally) of(outcome string) int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.counts[outcome]
}

// meter makes a watcher count into a tally.
func meter(c *tally) func(*Config) { return func(conf *Config) { conf.Meter = c } }

// eventually waits for a condition, with a deadline.
func eventually(t testing.TB, what string, done func() bool) {
	t.Helper()
	deadline := time.NewTimer(20 * time.Second)
	defer deadline.Stop()
	tick := time.NewTicker(2 * time.Millisecond)
	defer tick.Stop()
	for !done() {
		select {
		case <-tick.C:
		case <-deadline.C:
			t.Fatalf("%s: not within 20 s", what)
		}
	}
}

func TestI1AcknowledgedOnlyAfterTheHandler(t *testing.T) {
	t.Parallel()
	q := newQueue(t)
	release := make(chan struct{})
	begun := make(chan struct{})
	watch(t, q.api, q.url, func(_ context.Context, m Message) error {
		if m.Records[0].FlowLogIDs[0] != "fl-00000001" {
			return errors.New("other records than were sent")
		}
		close(begun)
		<-release
		return nil
	}, nil)
	q.send(t, bridge(record))
	<-begun
	if n := q.world.Deleted(q.arn); n != 0 {
		t.Errorf("%d acknowledged before the handler was done", n)
	}
	close(release)
	eventually(t, "the acknowledgement", func() bool { return q.world.Deleted(q.arn) == 1 })
}

func TestI1AFailedHandlerLeavesTheMessage(t *testing.T) {
	t.Parallel()
	q := newQueue(t)
	var counted tally
	stop := watch(t, q.api, q.url, func(context.Context, Message) error { return errors.New("the disk is full") }, meter(&counted))
	q.send(t, bridge(record))
	eventually(t, "the failure", func() bool { return counted.of("eventbridge/failed") == 1 })
	if err := stop(); err != nil || q.world.Deleted(q.arn) != 0 {
		t.Errorf("acknowledged %d, %v", q.world.Deleted(q.arn), err)
	}
	if visible, hidden := q.world.QueueDepth(q.arn); visible != 0 || hidden != 1 {
		t.Errorf("%d messages visible, %d hidden; want 0 and 1", visible, hidden)
	}
}

// TestShownAgain: when ShowAgain has a value, failed messages become visible at once, not only after their visibility
// timeout (30 s, later 15 min). The disk may have room again much earlier.
func TestShownAgain(t *testing.T) {
	t.Parallel()
	q := newQueue(t)
	var counted tally
	var room atomic.Bool
	again := make(chan struct{})
	watch(t, q.api, q.url, func(context.Context, Message) error {
		if room.Load() {
			return nil
		}
		return errors.New("the disk is full")
	}, func(c *Config) { c.Meter, c.ShowAgain = &counted, again })
	for range 3 {
		q.send(t, bridge(record))
	}
	eventually(t, "the failures", func() bool { return counted.of(Failed) == 3 })
	eventually(t, "all to be hidden", func() bool { visible, hidden := q.world.QueueDepth(q.arn); return visible == 0 && hidden == 3 })
	room.Store(true)
	eventually(t, "all to be handled", func() bool {
		select {
		case again <- struct{}{}: // again and again: the counts don't show when the watcher has noted all failed messages
		default:
		}
		return q.world.Deleted(q.arn) == 3
	})
}

func TestI8WhatCannotBeUnderstoodIsLeft(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		body     string
		outcome  string
		acked    int
		handled  int
		suspects int
	}{
		"garbage":             {`\x00`, "unparsable", 0, 0, 0},
		"suspicious garbage":  {`{"eventName":"DeleteFlowLogs"`, "unparsable", 0, 0, 1},
		"one bad among good":  {`{"Records":[` + record + `,7]}`, "unparsable", 0, 1, 0},
		"a log file's notice": {`{"s3Bucket":"b","s3ObjectKey":["k"]}`, "unsupported", 0, 0, 0},
		"irrelevant":          {bridge(`{"eventName":"RunInstances","eventSource":"ec2.amazonaws.com"}`), "ignored", 1, 0, 0},
		"a set-up message":    {`CloudTrail validation message.`, "ignored", 1, 0, 0},
		"a subscription":      {`{"Type":"SubscriptionConfirmation"}`, "ignored", 1, 0, 0},
		"a deletion":          {bridge(record), "handled", 1, 1, 0},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			q := newQueue(t)
			var records, suspects atomic.Int64
			var counted tally
			stop := watch(t, q.api, q.url, func(_ context.Context, m Message) error {
				records.Add(int64(len(m.Records)))
				suspects.Add(int64(len(m.Suspects)))
				return nil
			}, meter(&counted))
			q.send(t, c.body)
			eventually(t, c.outcome, func() bool { return counted.of(c.outcome) == 1 })
			eventually(t, "the acknowledgement", func() bool { return q.world.Deleted(q.arn) == c.acked })
			if err := stop(); err != nil {
				t.Fatal(err)
			}
			if q.world.Deleted(q.arn) != c.acked || int(records.Load()) != c.handled || int(suspects.Load()) != c.suspects {
				t.Errorf("acknowledged %d, records %d, suspects %d", q.world.Deleted(q.arn), records.Load(), suspects.Load())
			}
		})
	}
}

func TestI8APanicIsOneMessagesFailure(t *testing.T) {
	t.Parallel()
	q := newQueue(t)
	var counted tally
	watch(t, q.api, q.url, func(_ context.Context, m Message) error {
		if m.Records[0].EventID == "boom" {
			panic("boom")
		}
		return nil
	}, meter(&counted))
	q.send(t, bridge(strings.Replace(record, `"eventID":"e"`, `"eventID":"boom"`, 1)))
	q.send(t, bridge(record))
	eventually(t, "both messages to be counted", func() bool { return counted.of("failed") == 1 && counted.of("handled") == 1 })
}

func TestABacklogIsWorkedOff(t *testing.T) {
	t.Parallel()
	q := newQueue(t)
	const n = 1000
	for i := range n {
		q.send(t, bridge(strings.Replace(record, "fl-00000001", fmt.Sprintf("fl-%08x", i), 1)))
	}
	var seen sync.Map
	stop := watch(t, q.api, q.url, func(_ context.Context, m Message) error {
		seen.Store(m.Records[0].FlowLogIDs[0], true)
		return nil
	}, nil)
	eventually(t, "the end of the backlog", func() bool { return q.world.Deleted(q.arn) == n })
	if err := stop(); err != nil {
		t.Fatal(err)
	}
	count := 0
	seen.Range(func(any, any) bool { count++; return true })
	if count != n {
		t.Errorf("%d handled of %d", count, n)
	}
}

func TestI10StopFinishesWhatIsInHand(t *testing.T) {
	t.Parallel()
	q := newQueue(t)
	begun, release := make(chan struct{}), make(chan struct{})
	stop := watch(t, q.api, q.url, func(ctx context.Context, _ Message) error {
		close(begun)
		<-release
		return ctx.Err()
	}, nil)
	q.send(t, bridge(record))
	<-begun
	stopped := make(chan error, 1)
	go func() { stopped <- stop() }()
	close(release)
	if err := <-stopped; err != nil || q.world.Deleted(q.arn) != 1 {
		t.Errorf("stopped with %v, acknowledged %d", err, q.world.Deleted(q.arn))
	}
}

// calls is an SQS whose receives are a function. It counts the messages that are hidden or deleted.
type calls struct {
	receive func(context.Context) (*sqs.ReceiveMessageOutput, error)
	hidden  atomic.Int64
	deleted atomic.Int64
}

func (c *calls) ReceiveMessage(ctx context.Context, _ *sqs.ReceiveMessageInput, _ ...func(*sqs.Options)) (*sqs.ReceiveMessageOutput, error) {
	return c.receive(ctx)
}

func (c *calls) DeleteMessageBatch(_ context.Context, in *sqs.DeleteMessageBatchInput, _ ...func(*sqs.Options)) (*sqs.DeleteMessageBatchOutput, error) {
	c.deleted.Add(int64(len(in.Entries)))
	return &sqs.DeleteMessageBatchOutput{}, nil
}

func (c *calls) ChangeMessageVisibility(context.Context, *sqs.ChangeMessageVisibilityInput, ...func(*sqs.Options)) (*sqs.ChangeMessageVisibilityOutput, error) {
	c.hidden.Add(1)
	return &sqs.ChangeMessageVisibilityOutput{}, nil
}

func TestI8ReceiveErrorsNeverEndTheLoop(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		n := 0
		c := &calls{}
		c.receive = func(ctx context.Context) (*sqs.ReceiveMessageOutput, error) {
			if n++; n <= 50 {
				return nil, errors.New("no route to host")
			}
			retry.Sleep(ctx, time.Second) // an empty long poll
			return &sqs.ReceiveMessageOutput{}, ctx.Err()
		}
		failures := 0
		stop := watch(t, c, "q", nil, func(c *Config) {
			c.Health = health{failed: func() bool { failures++; return false }}
		})
		time.Sleep(time.Hour) // fake time
		synctest.Wait()
		if failures != 50 {
			t.Errorf("Health.Failed was called %d times, want 50", failures)
		}
		if err := stop(); err != nil {
			t.Error(err)
		}
	})
}

func TestAFailureThatMakesNoSenseEndsIt(t *testing.T) {
	t.Parallel()
	gone := errors.New("the queue does not exist")
	c := &calls{receive: func(context.Context) (*sqs.ReceiveMessageOutput, error) { return nil, gone }}
	w := New(Config{QueueURL: "q", KeepAlive: func() {}, Health: health{failed: func() bool { return true }}}, c, nil, slog.New(slog.DiscardHandler))
	if err := w.Run(t.Context()); !errors.Is(err, gone) {
		t.Errorf("ended with %v", err)
	}
}

func TestASlowHandlerKeepsItsMessage(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		first := true
		c := &calls{}
		c.receive = func(ctx context.Context) (*sqs.ReceiveMessageOutput, error) {
			if first {
				first = false
				return &sqs.ReceiveMessageOutput{Messages: []types.Message{{Body: aws.String(bridge(record)), ReceiptHandle: aws.String("h")}}}, nil
			}
			<-ctx.Done()
			return nil, ctx.Err()
		}
		stop := watch(t, c, "q", func(ctx context.Context, _ Message) error {
			time.Sleep(100 * time.Second) // fake time
			return nil
		}, nil)
		time.Sleep(200 * time.Second) // fake time
		synctest.Wait()
		if c.hidden.Load() != 3 || c.deleted.Load() != 1 {
			t.Errorf("in 100 s, a visibility timeout of a minute was extended %d times, want 3; %d messages acknowledged, want 1", c.hidden.Load(), c.deleted.Load())
		}
		if err := stop(); err != nil {
			t.Error(err)
		}
	})
}

// TestProgressWhileHandlersAreSlow: all handlers are slow, and the receiver waits for a free one. It must not count as
// stalled, as long as handlers become free.
func TestProgressWhileHandlersAreSlow(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c := &calls{receive: func(context.Context) (*sqs.ReceiveMessageOutput, error) { // a backlog without end
			m := types.Message{Body: aws.String(bridge(record)), ReceiptHandle: aws.String("h")}
			return &sqs.ReceiveMessageOutput{Messages: slices.Repeat([]types.Message{m}, batchSize)}, nil
		}}
		last, silence := time.Now(), time.Duration(0)
		stop := watch(t, c, "q", func(context.Context, Message) error {
			time.Sleep(time.Minute) // fake time: the disk is full, and a sink that the handler calls does not answer
			return errors.New("not stored")
		}, func(c *Config) {
			c.KeepAlive = func() { last, silence = time.Now(), max(silence, time.Since(last)) }
		})
		time.Sleep(time.Hour) // fake time
		if err := stop(); err != nil {
			t.Error(err)
		}
		if silence > 2*time.Minute {
			t.Errorf("the receiver did not call KeepAlive for %s, want 2 minutes at most", silence)
		}
	})
}

func TestAgeOfTheOldestMessage(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	sent := func(ago time.Duration) types.Message {
		return types.Message{Attributes: map[string]string{"SentTimestamp": fmt.Sprint(now.Add(-ago).UnixMilli())}}
	}
	for name, c := range map[string]struct {
		messages []types.Message
		want     time.Duration
	}{
		"no messages":          {nil, 0},
		"the oldest counts":    {[]types.Message{sent(time.Second), sent(time.Hour), sent(time.Minute)}, time.Hour},
		"a clock behind AWS's": {[]types.Message{sent(-time.Second)}, 0},
		"no time is stated":    {[]types.Message{{Attributes: map[string]string{"SentTimestamp": "x"}}, {}}, 0},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if got := oldest(c.messages, now); got != c.want {
				t.Errorf("%v: %s, want %s", c.messages, got, c.want)
			}
		})
	}
	// SQS gives SentTimestamp only if the receive asks for it: the real request must.
	q := newQueue(t)
	q.send(t, bridge(record))
	var counted tally
	stop := watch(t, q.api, q.url, func(context.Context, Message) error { return nil }, meter(&counted))
	eventually(t, "the message", func() bool { return counted.of(Handled) == 1 })
	if err := stop(); err != nil || counted.oldest <= 0 {
		t.Errorf("oldest %s, %v", counted.oldest, err)
	}
}

func TestPauses(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		n, rnd := rapid.IntRange(0, 10000).Draw(t, "n"), rapid.Float64Range(0, 0.999).Draw(t, "rnd")
		took := time.Duration(rapid.Int64Range(0, int64(maxReceivePause)).Draw(t, "took"))
		if d := receivePause(n, took, rnd); d < 10*time.Millisecond || d > max(10*time.Millisecond, maxReceivePause-took) {
			t.Fatalf("receive pause %s", d)
		}
		if d := failurePauses.Pause(n); d < 30*time.Second || d > 15*time.Minute || d > failurePauses.Pause(n+1) {
			t.Fatalf("a message that failed %d times stays hidden for %s", n, d)
		}
	})
}
