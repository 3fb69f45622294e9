package watcher

import (
	"context"
	"fmt"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"

	"flowkeeper/internal/cloudtrail"
)

// handle deals with one message, and reports whether it is done with: if not,
// it is left for the queue to show again. in ends when no new work is to begin;
// work ends when what is in hand must end too.
func (w *Watcher) handle(in, work context.Context, m types.Message) (done bool) {
	if in.Err() != nil {
		w.hide(work, m, 0) // somebody else may have it at once
		return false
	}
	w.forget(m)
	c, err := Unwrap([]byte(aws.ToString(m.Body)))
	if err != nil {
		w.unparsable(work, m, err)
		return false
	}
	switch c.Kind {
	case LogFile:
		w.once(c.Kind, "a log file in S3 is announced: these are not supported yet, send the events through EventBridge; such messages are left for the dead-letter queue")
		w.count(c.Kind, Unsupported)
		w.leave(work, m)
		return false
	case Subscription:
		w.once(c.Kind, "SNS asks for a subscription to be confirmed: do that in AWS, Flowkeeper visits no address that a message names")
	}
	d := decode(c)
	if len(d.records)+len(d.suspects) > 0 {
		if err := w.give(work, m, Message{ID: aws.ToString(m.MessageId), Records: d.records, Suspects: d.suspects}); err != nil {
			w.log.Error("a message could not be dealt with and stays in the queue", "message", aws.ToString(m.MessageId), "error", err)
			w.leave(work, m)
			w.remember(m)
			w.count(c.Kind, Failed)
			return false
		}
	}
	if d.bad > 0 {
		w.log.Warn("a message has records that can't be understood, and stays in the queue", "message", aws.ToString(m.MessageId), "records", d.bad)
		w.count(c.Kind, Unparsable)
		w.leave(work, m)
		return false
	}
	for _, n := range d.noCalls {
		if n == cloudtrail.OtherRecord {
			w.once(Kind(n), "a record names a watched call, but its category or type is not known here, and it is acknowledged without effect: only the refresh finds what such calls delete; see whether there is a newer version, and `flowkeeper replay`")
		}
		w.log.Debug("a record is no call of an AWS API that changes anything, and is acknowledged", "message", aws.ToString(m.MessageId), "record", string(n))
		if w.Meter != nil {
			w.Meter.NoCall(n)
		}
	}
	if len(d.records) > 0 {
		w.count(c.Kind, Handled)
	} else {
		w.count(c.Kind, Ignored)
	}
	return true
}

// unparsable leaves a body that can't be understood for the queue's
// dead-letter policy (I8).
func (w *Watcher) unparsable(ctx context.Context, m types.Message, err error) {
	w.log.Warn("a message can't be understood, and stays in the queue", "message", aws.ToString(m.MessageId), "error", err)
	w.count(Unknown, Unparsable)
	if s, ok := suspect([]byte(aws.ToString(m.Body))); ok {
		if err := w.give(ctx, m, Message{ID: aws.ToString(m.MessageId), Suspects: []Suspect{s}}); err != nil {
			w.log.Error("a suspicious message could not be dealt with", "message", aws.ToString(m.MessageId), "error", err)
		}
	}
	w.leave(ctx, m)
}

// give calls the handler, and keeps the message hidden while it works. A
// panic over one message is that message's failure.
func (w *Watcher) give(ctx context.Context, m types.Message, msg Message) (err error) {
	keep := w.keepHidden(ctx, m)
	defer keep()
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("panic: %v", p)
		}
	}()
	return w.handler.Handle(ctx, msg)
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

// leave hides a message for longer each time it comes back.
func (w *Watcher) leave(ctx context.Context, m types.Message) {
	w.hide(ctx, m, hiddenFor.Pause(receiveCount(m)-1))
}

// remember keeps a message that the handler failed on, to be shown again before
// its time. Where there are too many, the queue alone remembers.
func (w *Watcher) remember(m types.Message) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(w.left) < mostLeft {
		w.left[aws.ToString(m.MessageId)] = types.Message{MessageId: m.MessageId, ReceiptHandle: m.ReceiptHandle}
	}
}

// forget drops a message that has come back by itself.
func (w *Watcher) forget(m types.Message) {
	w.mu.Lock()
	defer w.mu.Unlock()
	delete(w.left, aws.ToString(m.MessageId))
}

// keepShowing shows the remembered messages each time it is asked to.
func (w *Watcher) keepShowing(ctx context.Context) {
	for {
		select {
		case <-w.ShowAgain:
		case <-ctx.Done():
			return
		}
		w.mu.Lock()
		left := w.left
		w.left = map[string]types.Message{}
		w.mu.Unlock()
		for _, m := range left {
			w.hide(ctx, m, 0)
		}
	}
}

// hide sets a message's visibility timeout. That it fails is no harm: the
// message shows up sooner.
func (w *Watcher) hide(ctx context.Context, m types.Message, d time.Duration) {
	ctx, cancel := context.WithTimeout(ctx, lastBreath)
	defer cancel()
	_, err := w.sqs.ChangeMessageVisibility(ctx, &sqs.ChangeMessageVisibilityInput{
		QueueUrl: &w.QueueURL, ReceiptHandle: m.ReceiptHandle, VisibilityTimeout: int32(d / time.Second),
	})
	if err != nil && ctx.Err() == nil {
		w.log.Debug("visibility not changed", "message", aws.ToString(m.MessageId), "error", err)
	}
}

// once reports something about a kind of message a single time.
func (w *Watcher) once(k Kind, text string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if !w.reported[k] {
		w.reported[k] = true
		w.log.Warn(text)
	}
}

func (w *Watcher) count(kind Kind, outcome string) {
	if w.Meter != nil {
		w.Meter.Counted(kind, outcome)
	}
}
