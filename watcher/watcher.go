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
	"flowkeeper/internal/outage"
	"flowkeeper/internal/retry"
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
	mostLeft     = 1000             // messages are remembered to be shown again
	longestPause = 10 * time.Second // from one receive of an outage to the next: so late a deletion is heard after it, at most
	leastPause   = 10 * time.Millisecond
	patience     = 30 * time.Second // for the answer of a receive, beyond its long poll
)

var (
	receivePauses = retry.Backoff{First: 100 * time.Millisecond, Most: longestPause}           // after failed receives
	hiddenFor     = retry.Backoff{First: 30 * time.Second, Most: 15 * time.Minute}             // a message that failed (I8)
	deletePauses  = retry.Backoff{First: 200 * time.Millisecond, Most: 400 * time.Millisecond} // after failed deletes
)

// Watcher reads one queue.
type Watcher struct {
	Config
	sqs     SQS
	handler Handler
	log     *slog.Logger

	jobs   chan types.Message
	done   chan *string  // receipt handles to acknowledge
	outage outage.Outage // of the queue, as the first receiver sees it

	mu       sync.Mutex
	reported map[Kind]bool
	left     map[string]types.Message // by ID: the handler failed on them, and they are hidden
	extra    int                      // receivers beside the first
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
			if w.outage.Note(err) == outage.Began {
				w.log.Warn("the queue does not answer; trying again", "error", err)
			}
			next = probe
			retry.Sleep(ctx, receivePause(w.outage.Failures(), time.Since(begun), rand.Float64()))
			continue
		}
		next = receiving{most: batchSize, wait: w.WaitTime, limit: w.WaitTime + patience}
		w.Received(ctx)
		if w.outage.Note(nil) == outage.Ended {
			w.log.Info("the queue answers again")
		}
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

// receivePause is how long to wait after so many failed receives in a row, the last
// of which took some time: the next one begins longestPause after that at the latest.
func receivePause(failures int, took time.Duration, random float64) time.Duration {
	return max(leastPause, min(receivePauses.Jittered(failures-1, random), longestPause-took))
}

// receiveCount of a message, from 1.
func receiveCount(m types.Message) int {
	n, err := strconv.Atoi(m.Attributes[string(types.MessageSystemAttributeNameApproximateReceiveCount)])
	if err != nil || n < 1 {
		return 1
	}
	return n
}
