// Package watcher reads the queue: messages in, CloudTrail records to the
// handler, and the acknowledgement last (I1).
//
// One goroutine long-polls; while there is a backlog, more receive beside it.
// A bounded set of handlers works on messages, and one goroutine acknowledges
// what they finished, ten at a time.
package watcher

import (
	"context"
	"log/slog"
	"math/rand/v2"
	"strconv"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"

	"flowkeeper/internal/cloudtrail"
)

// SQS is what the watcher calls of *sqs.Client.
type SQS interface {
	ReceiveMessage(context.Context, *sqs.ReceiveMessageInput, ...func(*sqs.Options)) (*sqs.ReceiveMessageOutput, error)
	DeleteMessageBatch(context.Context, *sqs.DeleteMessageBatchInput, ...func(*sqs.Options)) (*sqs.DeleteMessageBatchOutput, error)
	ChangeMessageVisibility(context.Context, *sqs.ChangeMessageVisibilityInput, ...func(*sqs.Options)) (*sqs.ChangeMessageVisibilityOutput, error)
}

// Handler is told of the records of one message that could matter. After it
// returned nil they are safe on disk, and the message is acknowledged.
type Handler interface {
	Handle(context.Context, Message) error
}

// Message is what a handler needs of one message.
type Message struct {
	ID       string
	Records  []cloudtrail.Record
	Suspects []Suspect
}

// Config of a Watcher.
type Config struct {
	QueueURL          string
	WaitTime          time.Duration // of a long poll, whole seconds
	VisibilityTimeout time.Duration
	// Received is called after each receive that succeeded.
	Received func(context.Context)
	// Failed is called after each that did not. It says whether to stop.
	Failed func(context.Context, error) (stop bool)
	// Beat is called at least once a long poll or backoff, and for each message that
	// a handler was found for.
	Beat func()
	// ShowAgain has messages that the handler failed on come back at once: whatever
	// was in its way is gone.
	ShowAgain <-chan struct{}
	// Meter is told what happens; nil: nobody is.
	Meter Meter
}

// Meter counts what the watcher does.
type Meter interface {
	// Counted is called for each message, with one of Outcomes.
	Counted(kind Kind, outcome string)
	// NoCall is called for each acknowledged record that names a watched call and
	// is no management call of an AWS API.
	NoCall(cloudtrail.NoCall)
	// Oldest is called after each receive with the age of the oldest message that
	// it brought; 0 for none.
	Oldest(age time.Duration)
}

// What becomes of a message: its records are safe on disk; it had none that
// could matter; the handler failed; it can't be understood; it is of a kind that
// is not supported. Only the first two are acknowledged.
const (
	Handled     = "handled"
	Ignored     = "ignored"
	Failed      = "failed"
	Unparsable  = "unparsable"
	Unsupported = "unsupported"
)

// Outcomes are all of them.
var Outcomes = []string{Handled, Ignored, Failed, Unparsable, Unsupported}

const (
	batchSize    = 10 // the most of one SQS call
	maxReceivers = 4  // while there is a backlog
	handlers     = 16
	lastBreath   = 10 * time.Second // for handlers in hand, after the end was asked for
	leaveFor     = 30 * time.Second // a message that failed once is hidden
	leaveForMost = 15 * time.Minute // … and at most (I8)
	mostLeft     = 1000             // messages are remembered to be shown again
	firstPause   = 100 * time.Millisecond
	longestPause = 10 * time.Second // from one receive of an outage to the next: so late a deletion is heard after it, at most
	leastPause   = firstPause / 10
	patience     = 30 * time.Second // for the answer of a receive, beyond its long poll
)

// Watcher reads one queue.
type Watcher struct {
	Config
	sqs     SQS
	handler Handler
	log     *slog.Logger

	jobs chan types.Message
	done chan *string // receipt handles to acknowledge

	mu       sync.Mutex
	reported map[Kind]bool
	left     map[string]types.Message // by ID: the handler failed on them, and they are hidden
	extra    int                      // receivers beside the first
	failing  bool
}

// New returns a watcher of the queue.
func New(c Config, q SQS, h Handler, log *slog.Logger) *Watcher {
	return &Watcher{Config: c, sqs: q, handler: h, log: log,
		jobs: make(chan types.Message, batchSize), done: make(chan *string, batchSize),
		reported: map[Kind]bool{}, left: map[string]types.Message{}}
}

// Run receives until ctx ends, and returns nil once the messages in hand are
// done. No message and no failure ends it (I8), unless Failed says so: then it
// returns that failure.
func (w *Watcher) Run(ctx context.Context) error {
	in, stop := context.WithCancel(ctx)
	defer stop()
	work, abandon := context.WithCancel(context.WithoutCancel(ctx))
	defer abandon()

	var receivers, workers, acker sync.WaitGroup
	for range handlers {
		workers.Go(func() {
			for m := range w.jobs {
				if w.handle(in, work, m) {
					w.done <- m.ReceiptHandle
				}
			}
		})
	}
	acker.Go(func() { w.acknowledge(work) })
	receivers.Go(func() { w.keepShowing(in) })
	err := w.receive(in, work, &receivers)
	stop()
	end := time.AfterFunc(lastBreath, abandon)
	defer end.Stop()
	receivers.Wait()
	close(w.jobs)
	workers.Wait()
	close(w.done)
	acker.Wait()
	return err
}

// receive is the first receiver: it long-polls, and starts others while
// messages come ten at a time. Its first poll is short, to know soon whether
// the queue answers.
func (w *Watcher) receive(ctx, work context.Context, others *sync.WaitGroup) error {
	failures := 0
	next := receiving{most: batchSize, limit: patience}
	for ctx.Err() == nil {
		w.Beat()
		begun := time.Now()
		n, err := w.poll(ctx, next, w.Beat)
		switch {
		case ctx.Err() != nil:
			return nil
		case err != nil:
			if w.Failed(ctx, err) {
				return err
			}
			w.fails(err)
			next = probe
			pause(ctx, max(leastPause, min(receivePause(failures, rand.Float64()), longestPause-time.Since(begun))))
			failures++
			continue
		}
		failures, next = 0, receiving{most: batchSize, wait: w.WaitTime, limit: w.WaitTime + patience}
		w.Received(ctx)
		w.recovers()
		if n == batchSize {
			w.help(ctx, others)
		}
	}
	return nil
}

// receiving is how to receive once.
type receiving struct {
	most   int32         // messages
	wait   time.Duration // of the long poll
	limit  time.Duration // of the call
	single bool          // one attempt: the next receive is the next one
}

// probe asks, in an outage, whether the queue answers again. One message comes in
// time by a slow line, too.
var probe = receiving{most: 1, limit: longestPause - time.Second, single: true}

// help starts one more receiver, up to the most. It ends when the backlog
// does.
func (w *Watcher) help(ctx context.Context, others *sync.WaitGroup) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.extra == maxReceivers-1 {
		return
	}
	w.extra++
	others.Go(func() {
		for ctx.Err() == nil {
			if n, err := w.poll(ctx, receiving{most: batchSize, limit: patience}, func() {}); err != nil || n < batchSize {
				break
			}
		}
		w.mu.Lock()
		defer w.mu.Unlock()
		w.extra--
	})
}

// Turn receives once and deals with what came, a message after the other: Run
// for one who has no goroutines. It reports how many came.
func (w *Watcher) Turn(ctx context.Context) (int, error) {
	messages, err := w.ask(ctx, receiving{most: batchSize, limit: patience})
	var done []*string
	for _, m := range messages {
		if w.handle(ctx, ctx, m) {
			done = append(done, m.ReceiptHandle)
		}
	}
	if len(done) > 0 {
		w.deleteOnce(ctx, done)
	}
	return len(messages), err
}

// poll receives once and hands the messages to the handlers, with a beat for
// each: while all of them are busy that takes long.
func (w *Watcher) poll(ctx context.Context, how receiving, beat func()) (int, error) {
	messages, err := w.ask(ctx, how)
	for _, m := range messages {
		w.jobs <- m // handlers always end, and past the end of ctx they only give messages back
		beat()
	}
	return len(messages), err
}

// ask receives once.
func (w *Watcher) ask(ctx context.Context, how receiving) ([]types.Message, error) {
	call, cancel := context.WithTimeout(ctx, how.limit)
	defer cancel()
	var options []func(*sqs.Options)
	if how.single {
		options = append(options, func(o *sqs.Options) { o.RetryMaxAttempts = 1 })
	}
	out, err := w.sqs.ReceiveMessage(call, &sqs.ReceiveMessageInput{
		QueueUrl: &w.QueueURL, MaxNumberOfMessages: how.most, WaitTimeSeconds: int32(how.wait / time.Second), VisibilityTimeout: int32(w.VisibilityTimeout / time.Second),
		MessageSystemAttributeNames: []types.MessageSystemAttributeName{types.MessageSystemAttributeNameApproximateReceiveCount, types.MessageSystemAttributeNameSentTimestamp},
	}, options...)
	if err != nil {
		return nil, err
	}
	if w.Meter != nil {
		w.Meter.Oldest(oldest(out.Messages, time.Now()))
	}
	return out.Messages, nil
}

// oldest is the age of the oldest of some messages; 0 for none.
func oldest(messages []types.Message, now time.Time) (age time.Duration) {
	for _, m := range messages {
		sent, err := strconv.ParseInt(m.Attributes[string(types.MessageSystemAttributeNameSentTimestamp)], 10, 64)
		if err == nil {
			age = max(age, now.Sub(time.UnixMilli(sent)))
		}
	}
	return age
}

// receivePause is the backoff after failed receives, with full jitter.
func receivePause(failures int, rnd float64) time.Duration {
	most := longestPause
	if failures < 9 {
		most = min(most, firstPause<<failures)
	}
	return max(leastPause, time.Duration(float64(most)*rnd))
}

func pause(ctx context.Context, d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
	case <-ctx.Done():
	}
}

// fails and recovers report the queue once each time it turns.
func (w *Watcher) fails(err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if !w.failing {
		w.failing = true
		w.log.Warn("the queue does not answer; trying again", "error", err)
	}
}

func (w *Watcher) recovers() {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.failing {
		w.failing = false
		w.log.Info("the queue answers again")
	}
}

// receiveCount of a message, from 1.
func receiveCount(m types.Message) int {
	n, err := strconv.Atoi(m.Attributes[string(types.MessageSystemAttributeNameApproximateReceiveCount)])
	if err != nil || n < 1 {
		return 1
	}
	return n
}

// leave is for how long a message that could not be dealt with is hidden.
func leave(receives int) time.Duration {
	if receives > 6 {
		return leaveForMost
	}
	return min(leaveForMost, leaveFor<<(receives-1))
}
