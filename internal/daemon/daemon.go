package daemon

import (
	"context"
	"log/slog"
	"maps"
	"net"
	"slices"
	"sync/atomic"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/robfig/cron/v3"

	"flowkeeper/alert"
	"flowkeeper/alert/sink"
	"flowkeeper/configs"
	"flowkeeper/internal/backup"
	"flowkeeper/internal/metrics"
	"flowkeeper/internal/outage"
	"flowkeeper/internal/queueclient"
	"flowkeeper/internal/scopes"
	"flowkeeper/internal/store"
	"flowkeeper/remediate"
	"flowkeeper/remediate/rehearse"
	"flowkeeper/systemd"
)

// Daemon is one running Flowkeeper.
type Daemon struct {
	Config  configs.Config
	AWS     aws.Config // credentials, endpoint and HTTP client; the Region comes from the configuration
	Log     *slog.Logger
	Version string
	// Sinks are sinks in addition to the configured ones, by name (the demo's timeline).
	Sinks map[string]sink.Sink
	// Ready is called once all loops have begun. The watcher receives its first message after
	// the queue's attributes and the first refreshes, or after the time these may take.
	Ready func()

	store       *store.Store
	senders     []*sink.Sender
	sinks       map[string]sink.Sink
	progress    systemd.Progress
	notifying   outage.Outage // of systemd
	sqs         *sqs.Client
	queue       *queueState
	storeHealth *storeHealth
	listener    net.Listener
	bypassed    bypassed
	handled     atomic.Int64   // messages since the start
	backup      *backup.Backup // nil: none
	meters      *metrics.Meters
	untaken     *untaken
	base        aws.Config    // like AWS; its clients count their calls
	refreshing  cron.Schedule // of the inventory
	rehearsing  cron.Schedule // nil: never
	environment environment

	connected  atomic.Bool // the fields below are set
	fleet      *scopes.Fleet
	remediator *remediate.Remediator
	rehearser  *rehearse.Rehearser
	refreshes  *refreshes
	nameTags   *nameTags
	discovery  *discovery
	membership *membership // nil: there is no organisation
	depends    *dependencies
	scopeLoops *scopeLoops // set by startAWSLoops
}

// Run works until ctx ends, finishes what it has begun, and returns nil. It returns an error
// if the daemon can't do its work and trying again would not help.
func (d *Daemon) Run(ctx context.Context) error {
	defer d.close()
	if err := d.open(ctx); err != nil {
		return err
	}
	d.report(systemd.Starting(startWithin)) // AWS may not answer
	if err := d.connect(ctx); err != nil && ctx.Err() == nil {
		if err = d.mayConnectLater(ctx, err); err != nil {
			return err
		}
	}
	return d.loops(ctx)
}

// startWithin is how long systemd is asked to wait for the start: if systemd killed the daemon
// for a slow start, the next start would be as slow.
const startWithin = 10 * time.Minute

// commitDelay is how long the commit that marks an alert as sent waits for another one to
// share: less than a receiver of alerts takes to answer, and long enough that most share the
// commit of a restore.
const commitDelay = 50 * time.Millisecond

// open makes everything that needs no AWS: listener, sinks, state file.
func (d *Daemon) open(ctx context.Context) (err error) {
	if d.refreshing, d.rehearsing, err = schedules(d.Config); err != nil {
		return err
	}
	if d.listener, err = listen(d.Config.HTTP.Listen); err != nil { // first, so that an address in use ends the daemon at once
		return err
	}
	d.meters = metrics.New()
	d.base = d.meters.Counting(d.AWS)
	d.environment.watch(d)
	if d.sinks, err = Sinks(d.Config, d.base, d.Log, d.Version); err != nil {
		return err
	}
	maps.Copy(d.sinks, d.Sinks)
	var queue configs.QueueRef
	if d.sqs, queue, err = queueclient.New(d.base, d.Config); err != nil {
		return err
	}
	if d.backup, err = newBackup(d.base, d.Config.State.Backup); err != nil {
		return err
	}
	unread, err := d.adoptCopy(ctx)
	if err != nil {
		return err
	}
	d.report(systemd.Starting(startWithin)) // a new schema of a large file takes a while
	if d.store, err = store.Open(ctx, d.Config.State.Path, store.Options{Daemon: true, Routes: routes{d}, Names: Names(d.Config), CommitDelay: commitDelay}); err != nil {
		return err
	}
	d.untaken = &untaken{store: d.store}
	d.queue = &queueState{QueueRef: queue, facts: d.store, outage: d.newOutage(alert.PartQueue, "the queue answers again")}
	d.storeHealth = &storeHealth{log: d.Log, commit: d.tryCommit, showAgain: make(chan struct{}, 1)}
	if unread != nil {
		d.newOutage(alert.PartState, "").Alert(ctx, "there is no state file here, and its copy can't be read: beginning with an empty memory, and leaving the copy alone: "+unread.Error())
	}
	for name, s := range d.sinks {
		d.meters.AddSink(name)
		if name != sink.LogName {
			d.untaken.sinks = append(d.untaken.sinks, name)
		}
		sender := sink.NewSender(name, s, d.store, d.Log)
		sender.Others, sender.Tries = alertSenders{d}, sinkTries{d}
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

// routes names the sinks that get an alert: those of the configuration, and all of [Daemon.Sinks].
type routes struct{ d *Daemon }

func (r routes) For(a alert.Alert) []string {
	return slices.AppendSeq(Routes(r.d.Config).For(a), maps.Keys(r.d.Sinks))
}

// report logs err, which says that systemd could not be notified: once, until that works again.
func (d *Daemon) report(err error) {
	if d.notifying.Note(err) == outage.Began {
		d.Log.Warn("systemd does not listen", "error", err)
	}
}
