package daemon

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"golang.org/x/sync/errgroup"

	"flowkeeper/alert"
	"flowkeeper/alert/sink"
	"flowkeeper/configs"
	"flowkeeper/internal/backup"
	"flowkeeper/internal/metrics"
	"flowkeeper/internal/queueclient"
	"flowkeeper/internal/retry"
	"flowkeeper/internal/scopes"
	"flowkeeper/internal/store"
	"flowkeeper/inventory"
	"flowkeeper/remediate"
	"flowkeeper/remediate/notify"
	"flowkeeper/remediate/rehearse"
	"flowkeeper/remediate/tamper"
	"flowkeeper/systemd"
	"flowkeeper/watcher"
)

// Daemon is one running Flowkeeper.
type Daemon struct {
	Config  configs.Config
	AWS     aws.Config // credentials, endpoint and HTTP client; the Region comes from the configuration
	Log     *slog.Logger
	Version string
	// Sinks are more sinks beside the configured ones (the demo's timeline).
	Sinks map[string]sink.Sink
	// Ready is called once every loop runs.
	Ready func()

	store       *store.Store
	senders     []*sink.Sender
	sinks       map[string]sink.Sink
	progress    *systemd.Progress
	queue       *queueState
	listener    net.Listener
	bypassed    bypassed
	handled     atomic.Int64   // messages, so far
	backup      *backup.Backup // nil: none
	meters      *metrics.Meters
	untaken     *untaken
	base        aws.Config // AWS, whose clients count their calls
	schedules   schedules
	environment environment

	connected  atomic.Bool // the fields below are there
	fleet      *scopes.Fleet
	remediator *remediate.Remediator
	rehearser  *rehearse.Rehearser
	refreshes  *refreshes
	rehearsing chan struct{} // how many scopes at once
	discovery  *discovery
	depends    *dependencies
}

// Run works until ctx ends, and then finishes what is in hand. It returns nil
// after that, and an error where going on makes no sense.
func (d *Daemon) Run(ctx context.Context) error {
	defer d.close()
	if err := d.open(ctx); err != nil {
		return err
	}
	d.report(systemd.Notifier{}.Starting(startWithin)) // AWS may not answer
	if err := d.connect(ctx); err != nil && ctx.Err() == nil {
		if err = d.mayConnectLater(ctx, err); err != nil {
			return err
		}
	}
	return d.loops(ctx)
}

// startWithin is how long systemd is asked to wait for what a start has begun:
// one that is killed in the middle has to do it all again.
const startWithin = 10 * time.Minute

// commitDelay is how long the record of a sent alert waits for a commit to share: less
// than a receiver takes to answer, and long enough that most share that of a restore.
const commitDelay = 50 * time.Millisecond

// open makes everything that is on this machine.
func (d *Daemon) open(ctx context.Context) (err error) {
	if d.schedules, err = parseSchedules(d.Config); err != nil {
		return err
	}
	if err = d.listen(); err != nil {
		return err
	}
	d.meters = metrics.New(d.sinkNames())
	d.base = d.meters.Counting(d.AWS)
	d.environment.watch(d)
	if d.sinks, err = Sinks(d.Config, d.base, d.Log, d.Version); err != nil {
		return err
	}
	maps.Copy(d.sinks, d.Sinks)
	if d.backup, err = newBackup(d.base, d.Config.State.Backup); err != nil {
		return err
	}
	unread, err := d.adoptCopy(ctx)
	if err != nil {
		return err
	}
	d.report(systemd.Notifier{}.Starting(startWithin)) // a new schema of a large file takes a while
	if d.store, err = store.Open(ctx, d.Config.State.Path, store.Options{Daemon: true, Route: d.route, CommitDelay: commitDelay}); err != nil {
		return err
	}
	d.untaken = &untaken{sinks: slices.DeleteFunc(slices.Sorted(maps.Keys(d.sinks)), func(name string) bool { return name == sink.LogName }), oldest: d.store.Untaken}
	d.progress = &systemd.Progress{}
	d.queue = &queueState{name: queueName(d.Config.Queue), store: d.store, log: d.Log, commit: d.tryCommit, showAgain: make(chan struct{}, 1),
		outage: d.newOutage(inventory.Scope{}, notify.Receiving, "the queue answers again")}
	if unread != nil {
		d.newOutage(inventory.Scope{}, stateFile, "").alert(ctx, "there is no state file here, and its copy can't be read: beginning with an empty memory, and leaving the copy alone: "+unread.Error())
	}
	for name, s := range d.sinks {
		sender := sink.NewSender(name, s, d.store, d.Log)
		sender.WakeOthers, sender.Sending = d.wakeSenders, d.sending(name)
		d.senders = append(d.senders, sender)
	}
	return nil
}

func (d *Daemon) close() {
	if d.listener != nil {
		d.listener.Close()
	}
	if d.store != nil {
		if err := d.store.Close(); err != nil {
			d.Log.Error("closing the state file", "error", err)
		}
	}
}

// sinkNames are the names of all sinks.
func (d *Daemon) sinkNames() []string {
	names := []string{sink.LogName}
	for _, s := range d.Config.Alerts {
		names = append(names, s.Name)
	}
	for name := range d.Sinks {
		names = append(names, name)
	}
	return names
}

// sending counts the tries of a sink, and has each watched.
func (d *Daemon) sending(name string) func() func(error) {
	return func() func(error) {
		done := d.progress.Task("alert "+name, maxSilence)
		return func(err error) {
			done()
			d.meters.Tried(name, err)
		}
	}
}

// route names the sinks of an alert.
func (d *Daemon) route(a alert.Alert) []string {
	names := Routes(d.Config).For(a)
	for name := range d.Sinks {
		names = append(names, name)
	}
	return names
}

// connect reaches AWS once, and makes the parts that need it.
func (d *Daemon) connect(ctx context.Context) error {
	remembered, err := d.store.Scopes(ctx)
	if err != nil {
		return err
	}
	fleet, err := scopes.Connect(ctx, d.base, Accounts(d.Config), d.Config.Inventory.Regions, d.Log, remembered...)
	if err != nil {
		return err
	}
	if err := d.sameAccount(ctx, fleet); err != nil {
		return err
	}
	d.fleet = fleet
	d.remediator = &remediate.Remediator{
		Store: d.store.Remediation(), News: d.store.News(), Snapshot: observedSnapshot{d.store, d.progress, func(s inventory.Scope) { d.refreshes.answered(s) }}, Meter: d.meters, Fleet: d.fleet, Policy: Policy(d.Config), Now: time.Now, Log: d.Log,
		Wake: d.wakeSenders, Direct: d.bypassOutbox,
	}
	d.rehearser = &rehearse.Rehearser{
		Store: d.store.Rehearsals(), EC2: func(s inventory.Scope) (rehearse.EC2, bool) { return fleet.EC2(s) }, Restores: d.remediator,
		AlertOnly: d.remediator.Policy.AlertOnly, Others: d.Config.Rehearsal.Principals, Now: time.Now, Log: d.Log, Wake: d.wakeSenders, Caller: fleet.Caller,
	}
	d.remediator.Rehearsals = d.rehearser
	d.depends = &dependencies{fixed: Dependencies(d.Config, fleet.Scopes()), store: d.store, log: d.Log}
	d.remediator.Tampering = &tamper.Handler{Store: d.store.Tampering(), Policy: d.remediator.Policy, Dependencies: d.depends.all, Now: time.Now, Wake: d.wakeSenders, Direct: d.bypassOutbox}
	d.refreshes, d.discovery, d.rehearsing = newRefreshes(d), newDiscovery(d), make(chan struct{}, parallelScopes)
	d.remediator.RefreshSoon = d.refreshes.soon
	d.connected.Store(true)
	return nil
}

// sameAccount refuses credentials of an account that the state file knows nothing
// of, while it guards another, where the configuration names none: with them the
// daemon would take every message for somebody else's, and say that all is well
// (I13). An account that has lost everything is still known.
func (d *Daemon) sameAccount(ctx context.Context, fleet *scopes.Fleet) error {
	if len(d.Config.Accounts) > 0 {
		return nil
	}
	guarded, err := d.store.Guarded(ctx)
	if err != nil || len(guarded) == 0 {
		return err
	}
	known, err := d.store.Scopes(ctx)
	if err != nil {
		return err
	}
	for _, s := range fleet.Scopes() {
		if slices.ContainsFunc(known, func(k inventory.Scope) bool { return k.Account == s.Account }) {
			return nil
		}
		err = fmt.Errorf("these credentials act in account %s, %w %s: see whose they are, or name under accounts what is to be guarded", s.Account, errOtherAccount, strings.Join(guarded, ", "))
	}
	return err
}

var errOtherAccount = errors.New("and the state file guards")

// mayConnectLater returns nil where AWS may be reached later: the error may pass,
// or somebody has just taken our access away.
func (d *Daemon) mayConnectLater(ctx context.Context, err error) error {
	received, ferr := d.store.Fact(ctx, factReceived)
	if ferr != nil {
		return ferr
	}
	switch {
	case received == "" && errors.Is(err, errOtherAccount):
		return err
	case received == "" && !scopes.Passes(err):
		return fmt.Errorf("%w: set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, a profile, or an instance role, and see that sts:GetCallerIdentity answers", err)
	}
	d.Log.Warn("can't reach AWS yet; trying again", "error", err)
	return nil
}

var connectPauses = retry.Backoff{First: time.Second, Most: 30 * time.Second}

// reach connects, however long it takes. It returns false if ctx ends first.
func (d *Daemon) connectRetrying(ctx context.Context) bool {
	o := d.newOutage(inventory.Scope{}, notify.Reaching, "AWS can be reached again")
	for !d.connected.Load() {
		if !retry.Sleep(ctx, connectPauses.Pause(o.Failures())) {
			return false
		}
		err := d.connect(ctx)
		if o.Note(err); o.Failures() >= 4 {
			o.alert(ctx, "AWS can't be reached, so that no deletion is heard of or restored: "+err.Error())
		}
	}
	if ctx.Err() != nil {
		return false
	}
	o.end(ctx)
	return true
}

func (d *Daemon) wakeSenders() {
	for _, s := range d.senders {
		s.Wake()
	}
}

// loops starts every goroutine that lives as long as the daemon: those of this
// machine at once, those that need AWS as soon as it has been reached.
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

// work starts the loops that need AWS.
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
		failed := d.depends.askFirst(ctx) // by the answer what is received is judged
		d.refreshes.awaitFirst(ctx, firstRefresh)
		g.Go(func() error {
			d.depends.keepAsking(ctx, failed)
			return nil
		})
		err := w.Run(ctx)
		d.remediator.Wait() // for what messages have left behind: it ends with them
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

// begin starts what works on a scope: its restorer, its refreshes, its rehearsals.
func (d *Daemon) startScope(ctx context.Context, g *errgroup.Group, s inventory.Scope) {
	beat := d.progress.Loop("restore "+s.String(), maxSilence)
	g.Go(func() error { return d.remediator.Run(ctx, s, beat) })
	g.Go(func() error { return d.refreshes.run(ctx, s) })
	g.Go(func() error { return d.rehearse(ctx, s) })
}

// prune forgets what is older than inventory.retention, until ctx ends.
func (d *Daemon) prune(ctx context.Context) error {
	for retry.Sleep(ctx, pruneEvery) {
		if err := d.store.Prune(ctx, time.Now().Add(-d.Config.Inventory.Retention)); err != nil && ctx.Err() == nil {
			d.Log.Error("forgetting old incidents", "error", err)
		}
	}
	return nil
}

// report logs that systemd could not be told something.
func (d *Daemon) report(err error) {
	if err != nil {
		d.Log.Warn("systemd does not listen", "error", err)
	}
}

// watcher reads the queue.
func (d *Daemon) watcher(q configs.QueueRef, client *sqs.Client) *watcher.Watcher {
	return watcher.New(watcher.Config{
		QueueURL: q.URL, WaitTime: d.Config.Queue.WaitTime, VisibilityTimeout: d.Config.Queue.VisibilityTimeout,
		Received: d.queue.received, Failed: d.queue.failed, Beat: d.progress.Loop("receive", maxSilence),
		ShowAgain: d.queue.showAgain, Meter: d.meters,
	}, client, handler{d}, d.Log)
}

// maxSilence is how long a loop, or a task in hand, may show no progress before
// the daemon counts as stalled: much longer than a long poll, a step and a backoff
// together, each of which has a time limit of its own.
const maxSilence = 3 * time.Minute
