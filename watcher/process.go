package watcher

import (
	"context"
	"fmt"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"

	"flowkeeper/internal/cloudtrail"
	"flowkeeper/internal/retry"
)

// processOrReturn processes one message, and reports whether to acknowledge it: if not, the queue shows
// it again later. in ends when no new work may begin; work ends when the work under way must
// end too.
func (w *Watcher) processOrReturn(in, work context.Context, m types.Message) (done bool) {
	if in.Err() != nil {
		w.hide(work, m, 0) // another daemon may receive it at once
		return false
	}
	w.forgetFailed(m)
	kind, outcome := w.process(work, m)
	if w.Meter != nil {
		w.Meter.Counted(kind, outcome)
	}
	switch outcome {
	case Handled, Ignored:
		return true
	case Postponed: // nothing failed
		w.hide(work, m, postponedFor)
		return false
	}
	w.hide(work, m, failurePauses.Pause(receiveCount(m)-1)) // longer each time
	if outcome == Failed {
		w.rememberFailed(m) // now that it is hidden: ShowAgain ends that
	}
	return false
}

// process passes what a message says to the handler, and returns of what kind the message
// is and what became of it.
func (w *Watcher) process(ctx context.Context, m types.Message) (kind Kind, outcome string) {
	id := aws.ToString(m.MessageId)
	c, err := Unwrap([]byte(aws.ToString(m.Body)))
	switch {
	case err != nil:
		w.log.Warn("a message can't be understood, and stays in the queue", "message", id, "error", err) // for the redrive policy (I8)
		w.reportSuspect(ctx, m)
		return Unknown, Unparsable
	case c.Kind == LogFile:
		return c.Kind, w.readFiles(ctx, m, c.Objects)
	case c.Kind == Subscription:
		w.warnOnce(c.Kind, "SNS asks for a subscription to be confirmed: do that in AWS, Flowkeeper visits no address that a message names")
	}
	d := decode(c)
	if len(d.records)+len(d.suspects) > 0 {
		if err := w.callHandler(ctx, m, Message{ID: id, Records: d.records, Suspects: d.suspects}); err != nil {
			w.log.Error("a message could not be dealt with and stays in the queue", "message", id, "error", err)
			return c.Kind, Failed
		}
	}
	if d.bad > 0 {
		w.log.Warn("a message has records that can't be understood, and stays in the queue", "message", id, "records", d.bad)
		return c.Kind, Unparsable
	}
	for _, n := range d.noCalls {
		w.ignoreRecord(id, n)
	}
	if len(d.records) == 0 {
		return c.Kind, Ignored
	}
	return c.Kind, Handled
}

// ignoreRecord counts a record of a message that is no management call.
func (w *Watcher) ignoreRecord(message string, n cloudtrail.NoCall) {
	if n == cloudtrail.OtherRecord {
		w.warnOnce(Kind(n), "a record names a watched call, but its category or type is not known here, and it is acknowledged without effect: only the refresh finds what such calls delete; see whether there is a newer version, and `flowkeeper replay`")
	}
	w.log.Debug("a record is no call of an AWS API that changes anything, and is acknowledged", "message", message, "record", string(n))
	if w.Meter != nil {
		w.Meter.NoCall(n)
	}
}

// reportSuspect passes on what a body that can't be parsed may be about (I8).
func (w *Watcher) reportSuspect(ctx context.Context, m types.Message) {
	s, ok := suspect([]byte(aws.ToString(m.Body)))
	if !ok {
		return
	}
	if err := w.callHandler(ctx, m, Message{ID: aws.ToString(m.MessageId), Suspects: []Suspect{s}}); err != nil {
		w.log.Error("a suspicious message could not be dealt with", "message", aws.ToString(m.MessageId), "error", err)
	}
}

// callHandler calls the handler, and keeps the message hidden while it works.
func (w *Watcher) callHandler(ctx context.Context, m types.Message, msg Message) error {
	defer w.keepHidden(ctx, m)()
	return w.call(ctx, msg)
}

// call calls the handler, and returns a panic of it as an error.
func (w *Watcher) call(ctx context.Context, msg Message) error {
	return recovered(func() error { return w.handler.RecordMessage(ctx, msg) })
}

// recovered calls fn, and returns a panic as an error.
func recovered(fn func() error) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("panic: %v", p)
		}
	}()
	return fn()
}

// keepHidden extends the message's visibility timeout each time half of it is
// over, until the function that it returns is called.
func (w *Watcher) keepHidden(ctx context.Context, m types.Message) (stop func()) {
	if w.VisibilityTimeout <= 0 {
		return func() {}
	}
	ctx, cancel := context.WithCancel(ctx)
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		t := time.NewTicker(w.VisibilityTimeout / 2)
		defer t.Stop()
		for {
			select {
			case <-t.C:
				w.hide(ctx, m, w.VisibilityTimeout)
			case <-ctx.Done():
				return
			}
		}
	}()
	return func() { cancel(); <-ended }
}

// rememberFailed keeps a message on which the handler failed, for ShowAgain. If there are too
// many, the message is received after its visibility timeout only.
func (w *Watcher) rememberFailed(m types.Message) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(w.failed) < maxFailed {
		w.failed[aws.ToString(m.MessageId)] = types.Message{MessageId: m.MessageId, ReceiptHandle: m.ReceiptHandle}
	}
}

// forgetFailed drops a message that was received again.
func (w *Watcher) forgetFailed(m types.Message) {
	w.mu.Lock()
	defer w.mu.Unlock()
	delete(w.failed, aws.ToString(m.MessageId))
}

// runShowAgain makes the remembered messages visible each time ShowAgain has a value.
func (w *Watcher) runShowAgain(ctx context.Context) {
	for retry.Wait(ctx, retry.Forever, w.ShowAgain) {
		w.mu.Lock()
		failed := w.failed
		w.failed = map[string]types.Message{}
		w.mu.Unlock()
		for _, m := range failed {
			w.hide(ctx, m, 0)
		}
	}
}

// hide sets a message's visibility timeout. If that fails, the message is received sooner.
func (w *Watcher) hide(ctx context.Context, m types.Message, d time.Duration) {
	ctx, cancel := context.WithTimeout(ctx, stopTimeout)
	defer cancel()
	_, err := w.sqs.ChangeMessageVisibility(ctx, &sqs.ChangeMessageVisibilityInput{
		QueueUrl: &w.QueueURL, ReceiptHandle: m.ReceiptHandle, VisibilityTimeout: int32(d / time.Second),
	})
	if err != nil && ctx.Err() == nil {
		w.log.Debug("visibility not changed", "message", aws.ToString(m.MessageId), "error", err)
	}
}

func (w *Watcher) warnOnce(k Kind, text string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if !w.reported[k] {
		w.reported[k] = true
		w.log.Warn(text)
	}
}
