package watcher

import (
	"context"
	"log/slog"
	"math/rand/v2"
	"runtime"
	"strconv"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"
	"golang.org/x/sync/semaphore"

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

// Handler gets the records of one message that may matter. It returns nil once what they ask
// for is on disk; then the message is acknowledged. Up to 16 goroutines call it at the same time.
type Handler interface {
	RecordMessage(context.Context, Message) error
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
	VisibilityTimeout time.Duration // of a received message, whole seconds, at most 12 hours; it is extended while the handler works
	// Health follows whether the queue answers. It must not be nil if Run is called.
	Health QueueHealth
	// KeepAlive is called at least once in each long poll or backoff, and for each message
	// that a handler takes.
	KeepAlive func()
	// ShowAgain has a value when the messages on which the handler failed should become visible
	// in the queue again.
	ShowAgain <-chan struct{}
	// Meter counts what happens; nil: nothing is counted.
	Meter Meter
	// Files reads the log files that messages announce; nil: such messages stay in the queue.
	Files Files
}

// QueueHealth follows whether the queue answers. Only the first receiver calls it, which receives
// nothing until the call returns.
type QueueHealth interface {
	// Received is called after each receive that succeeded.
	Received(context.Context)
	// Failed is called after each receive that failed. It reports whether Run should end.
	Failed(context.Context, error) (stop bool)
}

// Meter counts what the watcher does. It is called by many goroutines at the same time.
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

// The outcomes of a message. Only the first two are acknowledged.
const (
	Handled     = "handled"     // what its records ask for is on disk
	Ignored     = "ignored"     // it has no records that may matter
	Failed      = "failed"      // the handler failed
	Unparsable  = "unparsable"  // it has text that can't be parsed
	Unreadable  = "unreadable"  // it announces a log file that can't be read
	Postponed   = "postponed"   // it announces a log file, and maxReading others were being read
	Unsupported = "unsupported" // it announces a log file, and Config.Files is nil
)

// Outcomes are all outcomes of a message.
var Outcomes = []string{Handled, Ignored, Failed, Unparsable, Unreadable, Postponed, Unsupported}

const (
	batchSize       = 10 // the most of one SQS call
	maxReceivers    = 4  // while there is a backlog
	handlers        = 16
	stopTimeout     = 10 * time.Second // for handlers at work after ctx has ended
	maxFailed       = 1000             // how many failed messages are remembered for ShowAgain
	maxReceivePause = 10 * time.Second // from one receive to the next in an outage, and so the longest delay of a deletion after it
	minReceivePause = 10 * time.Millisecond
	patience        = 30 * time.Second // for the answer of a receive, beyond its long poll
)

var (
	receivePauses = retry.Backoff{First: 100 * time.Millisecond, Most: maxReceivePause}        // after failed receives
	failurePauses = retry.Backoff{First: 30 * time.Second, Most: 15 * time.Minute}             // how long a message stays hidden that failed (I8)
	deletePauses  = retry.Backoff{First: 200 * time.Millisecond, Most: 400 * time.Millisecond} // after failed deletes
)

// Watcher reads one queue.
type Watcher struct {
	Config
	sqs     SQS
	handler Handler
	log     *slog.Logger

	jobs    chan types.Message
	reading *semaphore.Weighted // held by each message whose files are read
	done    chan *string        // receipt handles to acknowledge
	outage  outage.Outage       // of the queue, as the first receiver sees it

	mu       sync.Mutex // guards what follows
	reported map[Kind]bool
	failed   map[string]types.Message // by ID: messages on which the handler failed, which are hidden in the queue
	extra    int                      // receivers in addition to the first
}

// New returns a watcher of the queue.
func New(c Config, q SQS, h Handler, log *slog.Logger) *Watcher {
	return &Watcher{Config: c, sqs: q, handler: h, log: log,
		jobs: make(chan types.Message, batchSize), reading: semaphore.NewWeighted(maxReading), done: make(chan *string, batchSize),
		reported: map[Kind]bool{}, failed: map[string]types.Message{}}
}

// Run receives until ctx ends, and returns nil once the handlers have ended. No message and no
// error of SQS ends it (I8), unless Health says so: then it returns that error.
func (w *Watcher) Run(ctx context.Context) error {
	in, stop := context.WithCancel(ctx)
	defer stop()
	work, abandon := context.WithCancel(context.WithoutCancel(ctx))
	defer abandon()

	var receivers, workers, acknowledger sync.WaitGroup
	for range handlers {
		workers.Go(func() {
			for m := range w.jobs {
				if w.processOrReturn(in, work, m) {
					w.done <- m.ReceiptHandle
				}
			}
		})
	}
	acknowledger.Go(func() { w.acknowledge(work) })
	receivers.Go(func() { w.runShowAgain(in) })
	err := w.receive(in, &receivers)
	stop()
	end := time.AfterFunc(stopTimeout, abandon)
	defer end.Stop()
	receivers.Wait()
	close(w.jobs)
	workers.Wait()
	close(w.done)
	acknowledger.Wait()
	return err
}

// receive is the first receiver: it long-polls, and starts others while it receives ten
// messages at a time. Its first poll is short, to find out soon whether the queue answers.
func (w *Watcher) receive(ctx context.Context, others *sync.WaitGroup) error {
	next := receiving{most: batchSize, limit: patience}
	for ctx.Err() == nil {
		w.KeepAlive()
		begun := time.Now()
		n, err := w.poll(ctx, next, w.KeepAlive)
		switch {
		case ctx.Err() != nil:
			return nil
		case err != nil:
			if w.Health.Failed(ctx, err) {
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
		w.Health.Received(ctx)
		if w.outage.Note(nil) == outage.Ended {
			w.log.Info("the queue answers again")
		}
		if n == batchSize {
			w.startReceiver(ctx, others)
		}
	}
	return nil
}

// receiving has the options of one receive.
type receiving struct {
	most   int32         // messages
	wait   time.Duration // of the long poll
	limit  time.Duration // of the call
	single bool          // without retries by the SDK
}

// probe has the options of a receive in an outage. A single message arrives in time even over a slow line.
var probe = receiving{most: 1, limit: maxReceivePause - time.Second, single: true}

// startReceiver starts one more receiver, up to maxReceivers in all. That receiver ends when the
// backlog does.
func (w *Watcher) startReceiver(ctx context.Context, others *sync.WaitGroup) {
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

// Turn receives once and handles the messages one after the other, without goroutines. It
// returns how many there were. The simulation uses it instead of Run.
func (w *Watcher) Turn(ctx context.Context) (int, error) {
	messages, err := w.receiveOnce(ctx, receiving{most: batchSize, limit: patience})
	var done []*string
	for _, m := range messages {
		if w.processOrReturn(ctx, ctx, m) {
			done = append(done, m.ReceiptHandle)
		}
	}
	if len(done) > 0 {
		w.deleteOnce(ctx, done)
	}
	return len(messages), err
}

// poll receives once and hands the messages to the handlers. It calls keepAlive for each, because
// it waits while all handlers are busy.
func (w *Watcher) poll(ctx context.Context, how receiving, keepAlive func()) (int, error) {
	messages, err := w.receiveOnce(ctx, how)
	for _, m := range messages {
		w.jobs <- m // handlers always end, and past the end of ctx they only give messages back
		keepAlive()
	}
	if len(messages) > 0 {
		runtime.Gosched() // handlers go first: they would wait until this goroutine has begun the next poll
	}
	return len(messages), err
}

func (w *Watcher) receiveOnce(ctx context.Context, how receiving) ([]types.Message, error) {
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

// oldest returns the age of the oldest of some messages; 0 for none.
func oldest(messages []types.Message, now time.Time) (age time.Duration) {
	for _, m := range messages {
		sent, err := strconv.ParseInt(m.Attributes[string(types.MessageSystemAttributeNameSentTimestamp)], 10, 64)
		if err == nil {
			age = max(age, now.Sub(time.UnixMilli(sent)))
		}
	}
	return age
}

// receivePause returns how long to wait after that many failed receives in a row. took is how
// long the last one took: the next begins maxReceivePause after its beginning at the latest.
func receivePause(failures int, took time.Duration, random float64) time.Duration {
	return max(minReceivePause, min(receivePauses.Jittered(failures-1, random), maxReceivePause-took))
}

// receiveCount returns how often a message was received, at least 1.
func receiveCount(m types.Message) int {
	n, err := strconv.Atoi(m.Attributes[string(types.MessageSystemAttributeNameApproximateReceiveCount)])
	if err != nil || n < 1 {
		return 1
	}
	return n
}
