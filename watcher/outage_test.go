package watcher

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"
)

// silentQueue is a queue that does not answer until a time, and has one message then.
type silentQueue struct {
	until time.Time
	fail  func(context.Context) error
	calls int
}

func (o *silentQueue) ReceiveMessage(ctx context.Context, _ *sqs.ReceiveMessageInput, _ ...func(*sqs.Options)) (*sqs.ReceiveMessageOutput, error) {
	if time.Now().Before(o.until) {
		o.calls++
		return nil, o.fail(ctx)
	}
	return &sqs.ReceiveMessageOutput{Messages: []types.Message{{MessageId: aws.String("m"), ReceiptHandle: aws.String("r"), Body: aws.String("null")}}}, nil
}

func (*silentQueue) DeleteMessageBatch(context.Context, *sqs.DeleteMessageBatchInput, ...func(*sqs.Options)) (*sqs.DeleteMessageBatchOutput, error) {
	return &sqs.DeleteMessageBatchOutput{}, nil
}

func (*silentQueue) ChangeMessageVisibility(context.Context, *sqs.ChangeMessageVisibilityInput, ...func(*sqs.Options)) (*sqs.ChangeMessageVisibilityOutput, error) {
	return &sqs.ChangeMessageVisibilityOutput{}, nil
}

// TestAQueueThatIsBackIsHeardWithinTenSeconds, however long it was away, whether it
// refused or did not answer at all.
func TestAQueueThatIsBackIsHeardWithinTenSeconds(t *testing.T) {
	t.Parallel()
	for name, fail := range map[string]func(context.Context) error{
		"refuses": func(context.Context) error { return errors.New("connection refused") },
		"hangs":   func(ctx context.Context) error { <-ctx.Done(); return ctx.Err() },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for n := range 50 {
				synctest.Test(t, func(t *testing.T) {
					o := &silentQueue{until: time.Now().Add(time.Hour + time.Duration(n)*time.Second), fail: fail}
					heard := make(chan time.Time, 1)
					stop := watch(t, o, "q", nil, func(c *Config) {
						c.Received = func(context.Context) {
							select {
							case heard <- time.Now():
							default:
							}
						}
					})
					if late := (<-heard).Sub(o.until); late > 10*time.Second {
						t.Errorf("heard %s after the queue was back", late)
					}
					if err := stop(); err != nil {
						t.Error(err)
					}
					if o.calls > 3600 {
						t.Errorf("%d receives in an hour", o.calls)
					}
				})
			}
		})
	}
}
