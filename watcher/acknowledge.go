package watcher

import (
	"context"
	"strconv"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"
	"golang.org/x/sync/errgroup"

	"flowkeeper/internal/retry"
)

const (
	deletesAtOnce = 4                     // delete calls at once
	batchWait     = 20 * time.Millisecond // for a batch to fill
	deleteTries   = 3
)

// acknowledge deletes handled messages, up to ten in a call. A message that can't be deleted is
// received again, and then changes nothing (I4).
func (w *Watcher) acknowledge(ctx context.Context) {
	var calls errgroup.Group
	calls.SetLimit(deletesAtOnce)
	for first := range w.done {
		batch := w.fill(first)
		calls.Go(func() error {
			w.delete(ctx, batch)
			return nil
		})
	}
	_ = calls.Wait() // they return no error
}

// fill collects a batch: ten messages, or those that are handled within batchWait.
func (w *Watcher) fill(first *string) []*string {
	batch := []*string{first}
	t := time.NewTimer(batchWait)
	defer t.Stop()
	for len(batch) < batchSize {
		select {
		case h, more := <-w.done:
			if !more {
				return batch
			}
			batch = append(batch, h)
		case <-t.C:
			return batch
		}
	}
	return batch
}

// delete acknowledges one batch, and tries again what failed.
func (w *Watcher) delete(ctx context.Context, handles []*string) {
	for try := range deleteTries {
		if try > 0 {
			retry.Sleep(ctx, deletePauses.Pause(try-1))
		}
		if handles = w.deleteOnce(ctx, handles); len(handles) == 0 {
			return
		}
	}
	w.log.Debug("messages not acknowledged: they will come again", "messages", len(handles))
}

// deleteOnce returns the receipt handles that are worth another try.
func (w *Watcher) deleteOnce(ctx context.Context, handles []*string) (left []*string) {
	in := &sqs.DeleteMessageBatchInput{QueueUrl: &w.QueueURL}
	for n, h := range handles {
		in.Entries = append(in.Entries, types.DeleteMessageBatchRequestEntry{Id: aws.String(strconv.Itoa(n)), ReceiptHandle: h})
	}
	out, err := w.sqs.DeleteMessageBatch(ctx, in)
	if err != nil {
		return handles
	}
	for _, f := range out.Failed {
		if n, err := strconv.Atoi(aws.ToString(f.Id)); err == nil && n < len(handles) && !f.SenderFault {
			left = append(left, handles[n])
		}
	}
	return left
}
