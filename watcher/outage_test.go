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

// silentQueue does not answer until a time, and then has one message. failed counts the
// receives before that.
func silentQueue(until time.Time, failed *int, fail func(context.Context) error) *calls {
	return &calls{receive: func(ctx context.Context) (*sqs.ReceiveMessageOutput, error) {
		if time.Now().Before(until) {
			*failed++
			return nil, fail(ctx)
		}
		return &sqs.ReceiveMessageOutput{Messages: []types.Message{{MessageId: aws.String("m"), ReceiptHandle: aws.String("r"), Body: aws.String("null")}}}, nil
	}}
}

// TestAQueueThatIsBackIsReceivedFromWithinTenSeconds, however long the outage was, whether the
// queue refused or did not answer at all.
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
						t.Errorf("received from it %s after the queue was back", late)
					}
					if err := stop(); err != nil {
						t.Error(err)
					}
					if failed > 3600 {
						t.Errorf("%d receives in an hour", failed)
					}
				})
			}
		})
	}
}
