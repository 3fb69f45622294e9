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

// silentQueue is an SQS that fails each receive until a time, and then has a message. It adds the failed receives to
// failed.
func silentQueue(until time.Time, failed *int, fail func(context.Context) error) *calls {
	return &calls{receive: func(ctx context.Context) (*sqs.ReceiveMessageOutput, error) {
		if time.Now().Before(until) {
			*failed++
			return nil, fail(ctx)
		}
		return &sqs.ReceiveMessageOutput{Messages: []types.Message{{MessageId: aws.String("m"), ReceiptHandle: aws.String("r"), Body: aws.String("null")}}}, nil
	}}
}

// TestAQueueThatIsBackIsReceivedFromWithinTenSeconds: after an outage of an hour, in which the queue refused or did not
// answer, the next receive begins within ten seconds. During the outage there is at most one receive a second on
// average.
func TestAQueueThatIsBackIsReceivedFromWithinTenSeconds(t *testing.T) {
	t.Parallel()
	for name, fail := range map[string]func(context.Context) error{
		"refuses": func(context.Context) error { return errors.New("connection refused") },
		"hangs":   func(ctx context.Context) error { <-ctx.Done(); return ctx.Err() },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for n := range 50 {
				synctest.Test(t, func(t *testing.T) {
					until, failed := time.Now().Add(time.Hour+time.Duration(n)*time.Second), 0
					received := make(chan time.Time, 1)
					stop := watch(t, silentQueue(until, &failed, fail), "q", nil, func(c *Config) {
						c.Health = health{received: func() {
							select {
							case received <- time.Now():
							default:
							}
						}}
					})
					if late := (<-received).Sub(until); late > 10*time.Second {
						t.Errorf("received %s after the queue was back, want 10 s at most", late)
					}
					if err := stop(); err != nil {
						t.Error(err)
					}
					if failed > 3600 {
						t.Errorf("%d receives in the hour of the outage, want 3600 at most", failed)
					}
				})
			}
		})
	}
}
