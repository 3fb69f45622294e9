package bench_test

import (
	"context"
	"log/slog"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"

	"flowkeeper/watcher"
)

const backlog = 10_000

// BenchmarkBacklog measures how many messages per second Flowkeeper takes from a backlog in which no message has a
// watched call. It compares that with bare loops of ReceiveMessage and DeleteMessageBatch: one loop, and as many as
// Flowkeeper has receivers.
func BenchmarkBacklog(b *testing.B) {
	for _, c := range []struct {
		name    string
		latency time.Duration
	}{{"latency=0", 0}, {"latency=20ms", 20 * time.Millisecond}} {
		b.Run(c.name, func(b *testing.B) {
			one := newBed(b, c.latency).drain(b, func(ctx context.Context, s *bed) { s.bareDrain(ctx) })
			four := newBed(b, c.latency).drain(b, func(ctx context.Context, s *bed) {
				var wg sync.WaitGroup
				for range 4 {
					wg.Go(func() { s.bareDrain(ctx) })
				}
				wg.Wait()
			})
			ours := newBed(b, c.latency).drain(b, func(ctx context.Context, s *bed) { must(b, s.watch(ctx)) })
			b.Logf("\n%d messages: flowkeeper %.0f a second; one bare loop %.0f, ratio %.2f; four %.0f, ratio %.2f", backlog, ours, one, ours/one, four, ours/four)
			b.ReportMetric(ours, "msgs/s")
			b.ReportMetric(ours/one, "of-one-bare-loop")
			b.ReportMetric(ours/four, "of-four-bare-loops")
			b.ReportMetric(0, "ns/op")
		})
	}
}

// drain fills the queue, and measures how fast a program empties it.
func (s *bed) drain(b *testing.B, program func(context.Context, *bed)) (perSecond float64) {
	for n := range backlog {
		must(b, s.world.Send(s.queue, other(n)))
	}
	ctx, stop := context.WithCancel(within(b, 2*time.Minute))
	done := make(chan struct{})
	began := time.Now()
	go func() { defer close(done); program(ctx, s) }()
	for s.world.Deleted(s.queue) < backlog && ctx.Err() == nil {
		time.Sleep(time.Millisecond)
	}
	took := time.Since(began)
	stop()
	<-done
	return backlog / took.Seconds()
}

func (s *bed) bareDrain(ctx context.Context) {
	for {
		out, err := s.sqs.ReceiveMessage(ctx, &sqs.ReceiveMessageInput{QueueUrl: &s.queueURL, MaxNumberOfMessages: 10, WaitTimeSeconds: 1})
		if err != nil {
			return
		}
		var entries []types.DeleteMessageBatchRequestEntry
		for _, m := range out.Messages {
			entries = append(entries, types.DeleteMessageBatchRequestEntry{Id: m.MessageId, ReceiptHandle: m.ReceiptHandle})
		}
		if len(entries) == 0 {
			continue
		}
		if _, err := s.sqs.DeleteMessageBatch(ctx, &sqs.DeleteMessageBatchInput{QueueUrl: &s.queueURL, Entries: entries}); err != nil {
			return
		}
	}
}

// watch is the daemon's watcher without a daemon: it acknowledges such messages itself.
func (s *bed) watch(ctx context.Context) error {
	w := watcher.New(watcher.Config{
		QueueURL: s.queueURL, WaitTime: time.Second, VisibilityTimeout: time.Minute,
		Health: nobody{}, KeepAlive: func() {},
	}, s.sqs, nobody{}, slog.New(slog.DiscardHandler))
	return w.Run(ctx)
}

type nobody struct{}

func (nobody) RecordMessage(context.Context, watcher.Message) error { return nil }
func (nobody) Received(context.Context)                             {}
func (nobody) Failed(context.Context, error) bool                   { return false }
