package daemon

import (
	"context"
	"fmt"
	"time"

	"golang.org/x/sync/errgroup"

	"flowkeeper/internal/queueclient"
	"flowkeeper/internal/retry"
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
	for _, loop := range []func(context.Context) error{
		d.copyStateFile, d.writeDueAlerts, stateFileWatch{d}.run, d.environment.await,
		d.health().serve, d.health().reportStatus, d.health().sendHeartbeats, d.health().feedWatchdog,
	} {
		g.Go(func() error { return loop(ctx) })
	}
	g.Go(func() error {
		if d.connectRetrying(ctx) {
			d.startAWSLoops(ctx, g)
		}
		return nil
	})
	d.report(systemd.Ready())
	<-ctx.Done()
	d.report(systemd.Stopping())
	err := g.Wait()
	if d.refreshes != nil { // AWS was reached
		d.refreshes.accounts.lines.end()
		d.refreshes.regionLines.end()
	}
	d.Log.Info("stopped")
	return err
}

// feedWatchdog keeps systemd's watchdog from ending the daemon while it is healthy.
func (h health) feedWatchdog(ctx context.Context) error {
	return systemd.Watchdog(ctx, func() bool { return h.healthy() == nil })
}

// startAWSLoops starts the goroutines that need AWS.
func (d *Daemon) startAWSLoops(ctx context.Context, g *errgroup.Group) {
	d.depends.loadQueueAttributes(ctx)
	w := watcher.New(watcher.Config{
		QueueURL: d.queue.URL, WaitTime: d.Config.Queue.WaitTime, VisibilityTimeout: d.Config.Queue.VisibilityTimeout,
		Health: d.queue, KeepAlive: d.progress.Loop("receive", maxSilence),
		ShowAgain: d.storeHealth.showAgain, Meter: d.meters, Files: newLogFiles(d),
	}, d.sqs, handler{d}, d.Log)
	d.startScopes(ctx, g)
	g.Go(func() error {
		failed := d.depends.askFirst(ctx) // tampering in the messages is judged by the answer
		d.refreshes.overview().awaitFirst(ctx, firstRefresh)
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
	g.Go(func() error { return newRehearsals(d).run(ctx) })
	g.Go(func() error { return d.discovery.run(ctx) })
	for _, o := range (places{d}).all() {
		g.Go(func() error { return o.Run(ctx) })
	}
	if d.membership != nil {
		g.Go(func() error { return d.membership.run(ctx) })
	}
	g.Go(func() error { return d.prune(ctx) })
	d.Log.Info("running", "version", d.Version, "scopes", len(d.fleet.Scopes()), "sinks", len(d.sinks), "mode", d.Config.Remediate.Mode, "queue_host", queueclient.Host(d.sqs))
	if d.Ready != nil {
		d.Ready()
	}
}

// startScopes starts what runs in each scope of the fleet.
func (d *Daemon) startScopes(ctx context.Context, g *errgroup.Group) {
	d.scopeLoops = newScopeLoops(ctx, d)
	for _, s := range d.fleet.Scopes() {
		d.scopeLoops.start(s)
	}
	g.Go(func() error {
		d.scopeLoops.wait()
		return nil
	})
}

// prune deletes what is older than inventory.retention every hour, until ctx ends.
func (d *Daemon) prune(ctx context.Context) error {
	for retry.Sleep(ctx, time.Hour) {
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
