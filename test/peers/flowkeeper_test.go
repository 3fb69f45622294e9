//go:build peers

package peers_test

import (
	"context"
	"log/slog"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sqs"

	"flowkeeper/configs"
	"flowkeeper/internal/daemon"
)

// startFlowkeeper starts the daemon as users run it, with its state file on a real disk. To deliver an event,
// the test sends it to the queue.
func startFlowkeeper(t *testing.T, w *world) func(event string) {
	queue := sqs.NewFromConfig(w.direct)
	made, err := queue.CreateQueue(t.Context(), &sqs.CreateQueueInput{QueueName: aws.String("flowkeeper")})
	must(t, err)
	dir, err := filepath.Abs("../../bin") // /tmp may be in memory
	must(t, err)
	must(t, os.MkdirAll(dir, 0o755))
	dir, err = os.MkdirTemp(dir, "peers-")
	must(t, err)
	t.Cleanup(func() { must(t, os.RemoveAll(dir)) })

	c := configs.Default()
	c.Queue.URL = w.proxy + "/" + account + "/flowkeeper"
	c.AWS.Region, c.HTTP.Listen = region, ""
	c.State.Path = filepath.Join(dir, "state.db")
	d := &daemon.Daemon{Config: c, Log: slog.New(slog.DiscardHandler), Version: "bench", AWS: aws.Config{Region: region, BaseEndpoint: &w.proxy, Credentials: w.direct.Credentials}}
	ready := make(chan struct{})
	d.Ready = func() { close(ready) }
	ctx, stop := context.WithCancel(within(t))
	ended := make(chan error, 1)
	go func() { ended <- d.Run(ctx) }()
	t.Cleanup(func() {
		stop()
		must(t, <-ended)
	})
	select {
	case <-ready:
	case <-ctx.Done():
		t.Fatal("Flowkeeper does not start")
	}
	for !d.Refreshed() && ctx.Err() == nil {
		time.Sleep(10 * time.Millisecond)
	}
	select {
	case <-w.created.polled:
	case <-ctx.Done():
		t.Fatal("Flowkeeper does not receive from the queue")
	}
	return func(event string) {
		_, err := queue.SendMessage(t.Context(), &sqs.SendMessageInput{QueueUrl: made.QueueUrl, MessageBody: &event})
		must(t, err)
	}
}
