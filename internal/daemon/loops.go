package daemon

import (
	"context"
	"fmt"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"golang.org/x/sync/errgroup"

	"flowkeeper/configs"
	"flowkeeper/internal/queueclient"
	"flowkeeper/internal/retry"
	"flowkeeper/inventory"
	"flowkeeper/systemd"
	"flowkeeper/watcher"
)

// loops starts every goroutine that lives as long as the daemon, and waits for all: those
// that need AWS start once it has been reached, the others at once.
func (d *Daemon) loops(ctx context.Context) error {
	g, ctx := errgroup.WithContext(ctx)
	for _, s := range d.senders {
		g.Go(func() error { return s.Run(ctx) })
	}
	g.Go(func() error { return d.health().serve(ctx) })
	g.Go(func() error { return d.copyStateFile(ctx) })
	g.Go(func() error { return d.health().reportStatus(ctx) })
	g.Go(func() error { return d.health().sendHeartbeats(ctx) })
	g.Go(func() error { return d.writeDueAlerts(ctx) })
	g.Go(func() error { return (&stateFileWatch{d: d}).run(ctx) })
	g.Go(func() error { return d.environment.await(ctx) })
	g.Go(func() error { return systemd.Watchdog(ctx, func() bool { return d.health().healthy() == nil }) })
	g.Go(func() error {
		if d.connectRetrying(ctx) {
			return d.startAWSLoops(ctx, g)
		}
		return nil
	})
	d.report(systemd.Notifier{}.Ready())
	<-ctx.Done()
	d.report(systemd.Notifier{}.Stopping())
	err := g.Wait()
	d.Log.Info("stopped")
	return err
}

// startAWSLoops starts the goroutines that need AWS.
func (d *Daemon) startAWSLoops(ctx context.Context, g *errgroup.Group) error {
	client, q, err := queueclient.New(d.base, d.Config)
	if err != nil {
		return err
	}
	d.depends.queue, d.depends.client = q.URL, client
	d.depends.loadQueueAttributes(ctx)
	w := d.watcher(q, client)
	for _, s := range d.fleet.Scopes() {
		d.startScope(ctx, g, s)
	}
	g.Go(func() error {
		failed := d.depends.askFirst(ctx) // tampering in the messages is judged by the answer
		d.refreshes.awaitFirst(ctx, firstRefresh)
		g.Go(func() error {
			d.depends.keepAsking(ctx, failed)
			return nil
		})
		err := w.Run(ctx)
		d.remediator.Wait() // for calls to AWS that messages began
		if err != nil {
			return fmt.Errorf("queue.url %s: %w: see that the queue exists, and that these credentials may receive from it", d.Config.Queue.URL, err)
		}
		return nil
	})
	g.Go(func() error { return d.discovery.run(ctx, g) })
	g.Go(func() error { return d.prune(ctx) })
	d.Log.Info("running", "version", d.Version, "scopes", len(d.fleet.Scopes()), "sinks", len(d.sinks), "mode", d.Config.Remediate.Mode, "queue_host", queueclient.Host(client))
	if d.Ready != nil {
		d.Ready()
	}
	return nil
}

// watcher returns what reads the queue.
func (d *Daemon) watcher(q configs.QueueRef, client *sqs.Client) *watcher.Watcher {
	return watcher.New(watcher.Config{
		QueueURL: q.URL, WaitTime: d.Config.Queue.WaitTime, VisibilityTimeout: d.Config.Queue.VisibilityTimeout,
		Received: d.queue.received, Failed: d.queue.failed, Beat: d.progress.Loop("receive", maxSilence),
		ShowAgain: d.storeHealth.showAgain, Meter: d.meters,
	}, client, handler{d}, d.Log)
}

// startScope starts the restorer, the refreshes and the rehearsals of a scope.
func (d *Daemon) startScope(ctx context.Context, g *errgroup.Group, s inventory.Scope) {
	beat := d.progress.Loop("restore "+s.String(), maxSilence)
	g.Go(func() error { return d.remediator.Run(ctx, s, beat) })
	g.Go(func() error { return d.refreshes.run(ctx, s) })
	g.Go(func() error { return d.rehearsals.run(ctx, s) })
}

// prune deletes what is older than inventory.retention every hour, until ctx ends.
func (d *Daemon) prune(ctx context.Context) error {
	for retry.Sleep(ctx, pruneEvery) {
		if err := d.store.Prune(ctx, time.Now().Add(-d.Config.Inventory.Retention)); err != nil && ctx.Err() == nil {
			d.Log.Error("forgetting old incidents", "error", err)
		}
	}
	return nil
}

// maxSilence is how long a loop or a task may make no progress before the daemon counts as
// stalled. It is much longer than a long poll, a step and a backoff together, each of
// which has a time limit of its own.
const maxSilence = 3 * time.Minute
