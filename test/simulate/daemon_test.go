package simulate

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"slices"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/ratelimit"
	"github.com/aws/aws-sdk-go-v2/aws/retry"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/sqs"

	"flowkeeper/alert"
	"flowkeeper/alert/alerttest"
	"flowkeeper/alert/sink"
	"flowkeeper/internal/detection"
	"flowkeeper/internal/fakeaws"
	"flowkeeper/internal/scopes"
	"flowkeeper/internal/store"
	"flowkeeper/inventory"
	"flowkeeper/remediate"
	"flowkeeper/remediate/incident"
	"flowkeeper/remediate/rehearse"
	"flowkeeper/remediate/tamper"
	"flowkeeper/watcher"
)

// daemon is one Flowkeeper: the real parts, without the goroutines that run
// them.
type daemon struct {
	p            *play
	path         string
	wrongKeys    bool      // it has the credentials of another account
	stepSince    time.Time // when the running step began, by the daemon's clock; zero: no step runs
	refreshAsked bool      // a refresh was asked for
	deaths       int
	unstored     [][2]string // answers to creates, as token and code, that are not on disk yet
	later        []func()    // tasks of Remediator.Background that run after the next commit
	watches      map[inventory.Scope]watch
	reader       *sql.DB           // the state file, for the checks to read
	away         bool              // it has learned that the account left the organisation
	knewThen     map[string]string // what the state file said then: see knows
	unprotected  map[string]bool   // flow logs that it does not protect, because they count as decoys
	named        map[string]bool   // flow logs that alerts about decoys name
	*commits

	*mortal
	ctx        context.Context
	keys       *aws.CredentialsCache
	fleet      *scopes.Fleet
	store      *store.Store
	remediator *remediate.Remediator
	rehearser  *rehearse.Rehearser
	watcher    *watcher.Watcher
	sender     *sink.Sender
}

func newDaemon(p *play, n int) *daemon {
	d := &daemon{p: p, path: filepath.Join(p.dir, fmt.Sprintf("state-%d.db", n)), commits: newCommits(), unprotected: map[string]bool{}, named: map[string]bool{}}
	d.start()
	d.reader = p.openReadOnly(d.path)
	return d
}

// start opens the state file and puts the parts together. It is called again after a death.
func (d *daemon) start() {
	ctx, cancel := context.WithCancel(context.Background())
	d.ctx = ctx
	d.mortal = &mortal{edgesLeft: -1, cancel: cancel, tick: d.p.amid}
	d.later, d.watches = nil, map[inventory.Scope]watch{}
	clear(d.answers) // nobody knows which of them are on disk
	d.unstored = nil
	st, err := store.Open(ctx, d.path, store.Options{Daemon: true, Now: d.p.daemonNow, Routes: alerttest.To{"pager"}})
	d.p.must(err)
	d.store = st
	d.keys = aws.NewCredentialsCache(aws.CredentialsProviderFunc(d.credentials)) // cached, like credentials read from a file
	base := d.base()
	d.fleet = scopes.NewFleet(base, d.p.regions, slog.New(slog.DiscardHandler))
	d.p.must(d.fleet.Connect(ctx, []scopes.Account{{ID: account}}))
	if d.away {
		d.fleet.Leave(account)
	}
	mem := mortalStore{st, d.mortal, d}
	d.remediator = &remediate.Remediator{
		Store:    remediatorStore{partStore[remediate.Tx]{mem, st.Remediation(), func(tx remediate.Tx, w *writes) remediate.Tx { return remediateTx{tx, w} }}},
		News:     partStore[remediate.NewsTx]{mem, st.News(), func(tx remediate.NewsTx, w *writes) remediate.NewsTx { return newsTx{tx, w} }},
		Snapshot: mem, Fleet: d.fleet, Policy: d.p.policy, Now: d.p.daemonNow, Log: d.p.log, Refreshes: environment{d}, Senders: environment{d},
		Parallel: d.p.inRandomOrder, Background: d.background, Rand: d.p.random.Float64, Random: d.p.token,
		Tampering: &tamper.Handler{Store: partStore[tamper.Tx]{mem, st.Tampering(), func(tx tamper.Tx, w *writes) tamper.Tx { return tamperTx{tx, w} }}, Policy: d.p.policy, Now: d.p.daemonNow,
			Dependencies: environment{d}, Refreshes: environment{d}, Senders: environment{d}},
	}
	d.rehearser = &rehearse.Rehearser{
		Store:     partStore[rehearse.Tx]{mem, st.Rehearsals(), func(tx rehearse.Tx, w *writes) rehearse.Tx { return rehearseTx{tx, w} }},
		Pipelines: partStore[rehearse.PipelineTx]{mem, st.Pipelines(), func(tx rehearse.PipelineTx, w *writes) rehearse.PipelineTx { return pipelineTx{tx, w} }}, Fleet: environment{d}, Restores: d.remediator,
		AlertOnly: d.p.policy.AlertOnly, Now: d.p.daemonNow, Log: d.p.log, Senders: environment{d}, Rand: d.p.random.Float64,
		Pause: func(context.Context, time.Duration) bool { return false },
	}
	d.remediator.Rehearsals = d.rehearser
	d.sender = sink.NewSender("pager", pager{d.mortal, d}, mem, d.p.log)
	d.sender.Now, d.sender.Rand = d.p.daemonNow, d.p.random.Float64
	d.watcher = watcher.New(watcher.Config{QueueURL: d.p.queue, VisibilityTimeout: time.Minute, Files: newFiles(base), KeepAlive: func() {}},
		sqs.NewFromConfig(base, func(o *sqs.Options) { o.RetryMaxAttempts = 1 }), d, d.p.log)
}

// base is the configuration of all of its clients.
func (d *daemon) base() aws.Config {
	base, err := scopes.Base(d.ctx, scopes.Options{Region: region, Credentials: d.keys, Now: d.p.daemonNow})
	d.p.must(err)
	base.HTTPClient, base.Retryer = wire{d.mortal, d, d.p.world.HTTPClient().Transport}, impatient
	return base
}

// environment stands for what is around the parts of a daemon: refreshes, senders, the fleet. It notes or ignores
// what they ask for.
type environment struct{ d *daemon }

func (a environment) Soon(inventory.Scope)                            { a.d.refreshAsked = true }
func (a environment) AccountSoon(string)                              { a.d.refreshAsked = true }
func (environment) Asks(context.Context, inventory.Scope) func(error) { return func(error) {} }
func (environment) Bypass(context.Context, alert.Alert)               {}
func (a environment) Often(inventory.Scope)                           { a.d.attacked() }
func (environment) Wake()                                             {} // the play says when alerts are sent
func (a environment) EC2(s inventory.Scope) (rehearse.EC2, bool)      { return a.d.fleet.EC2(s) }

func (environment) All() []tamper.Dependency {
	return []tamper.Dependency{{ARN: "arn:*:cloudtrail:*:" + account + ":trail/*", As: "a trail that events come from"}}
}

func (a environment) Caller(ctx context.Context, s inventory.Scope) (string, error) {
	return a.d.fleet.Caller(ctx, s)
}

// background runs a task of the remediator at once, or after its next commit.
func (d *daemon) background(task func()) {
	if d.p.random.IntN(2) == 0 {
		task()
		return
	}
	d.later = append(d.later, task)
}

// runLater runs the tasks that wait for a commit.
func (d *daemon) runLater() {
	later := d.later
	d.later = nil
	for _, task := range later {
		task()
	}
}

// credentials are what the process finds: Flowkeeper's own, or by mistake those of another account.
func (d *daemon) credentials(context.Context) (aws.Credentials, error) {
	u := d.p.own
	if d.wrongKeys {
		u = d.p.foreign
	}
	return static(u), nil
}

// mixUp gives the process the credentials of another account, or its own again. It drops the cached ones, as a
// source does that notices the change.
func (d *daemon) mixUp(wrong bool) {
	d.wrongKeys, d.p.mixedUp = wrong, d.p.now
	d.keys.Invalidate()
}

// static are fixed credentials.
func static(u fakeaws.Credentials) aws.Credentials {
	c, _ := credentials.NewStaticCredentialsProvider(u.AccessKeyID, u.SecretAccessKey, "").Retrieve(context.Background())
	return c
}

// impatient retries as often as the SDK does, but without pauses.
func impatient() aws.Retryer {
	return retry.NewStandard(func(o *retry.StandardOptions) {
		o.RateLimiter = ratelimit.None
		o.Backoff = retry.BackoffDelayerFunc(func(int, error) (time.Duration, error) { return 0, nil })
	})
}

// RecordMessage implements watcher.Handler as internal/daemon does.
func (d *daemon) RecordMessage(ctx context.Context, m watcher.Message) error {
	d.refreshAsked = d.refreshAsked || len(m.Suspects) > 0
	if fs := detection.Findings(m.Records); len(fs) > 0 {
		for _, f := range fs {
			inScope := slices.Contains(d.scopes(), inventory.Scope{Account: f.Record.Account, Region: f.Record.Region})
			if inScope && (f.Kind == detection.Deleted || f.Kind == detection.Attempted) {
				d.attacked()
			}
		}
		d.noteReceived(fs)
		if err := d.remediator.RecordFindings(ctx, fs, func() {}); err != nil || d.dead {
			return err
		}
		if d.away {
			d.p.overlook(m)
			return nil
		}
		d.p.checkBeforeAcknowledge(d, m)
	}
	return nil
}

// alive starts the process again if it has died.
func (d *daemon) alive() {
	if d.dead {
		d.deaths++
		d.p.must(d.store.Close())
		d.start()
	}
}

// receive, refresh, rehearse, step and deliver are what the goroutines of internal/daemon
// do again and again.
func (d *daemon) receive() int {
	n, err := d.watcher.Turn(d.ctx)
	if d.p.broken != "" {
		panic(d.p.broken)
	}
	d.p.expected(d, err)
	return n
}

func (d *daemon) refresh(s inventory.Scope) { d.refreshBy(s, d.remediator.Refresh) }

func (d *daemon) refreshBy(s inventory.Scope, refresh func(context.Context, inventory.Scope) (inventory.Counts, error)) {
	d.refreshAsked = false
	if d.away {
		return
	}
	d.scheduleWatch(s, watchEvery)
	started, before := d.p.now, d.rows(s)
	defer func() { d.p.checkRefreshed(s, before, d.rows(s)) }()
	counts, err := refresh(d.ctx, s)
	if err == nil {
		d.p.noteListed(d, s, started)
	} else {
		d.p.expected(d, err)
	}
	if err == nil && counts.Lost > 0 {
		d.attacked()
	}
}

// noteReceived notes each record of a true deletion that the daemon receives and, at the first one, whether the
// snapshot has the flow log: if not, the alert may be one of a summary.
func (d *daemon) noteReceived(fs []detection.Finding) {
	for _, f := range fs {
		actor := f.Actor()
		for _, id := range d.p.deleted[f.Record.EventID] {
			key := f.Record.EventID + id
			if slices.Contains(f.Deleted, id) {
				d.receivedAt[key] = append(d.receivedAt[key], receipt{d.p.daemonNow(), incident.PrincipalOrName(&actor), f.Record.EventTime})
			}
			if _, again := d.received[key]; !again {
				d.received[key] = d.knew(id)
			}
		}
	}
}

// knew reports whether the snapshot has a flow log.
func (d *daemon) knew(id string) bool {
	_, ok, err := d.store.FindFlowLog(context.Background(), id)
	d.p.must(err)
	return ok
}

// row is what the checks of a refresh compare.
type row struct {
	state  inventory.State
	digest string
}

// rows of a scope's snapshot, by flow log ID.
func (d *daemon) rows(s inventory.Scope) map[string]row {
	out := map[string]row{}
	rows, err := d.reader.Query(`SELECT id, state, digest FROM flow_logs WHERE account = ? AND region = ?`, s.Account, s.Region)
	d.p.must(err)
	defer rows.Close()
	for rows.Next() {
		var id string
		var r row
		d.p.must(rows.Scan(&id, &r.state, &r.digest))
		out[id] = r
	}
	d.p.must(rows.Err())
	return out
}

func (d *daemon) rehearse(s inventory.Scope) {
	if d.away {
		return
	}
	if _, err := d.rehearser.Rehearse(d.ctx, s, func() {}); !errors.Is(err, rehearse.ErrBusy) {
		d.p.expected(d, err)
	}
}

// notifyDue adds the alerts that are due in any scope.
func (d *daemon) notifyDue() {
	var scopes []inventory.Scope
	err := d.reading(func() error {
		return d.store.View(d.ctx, func(tx *store.Tx) (err error) { scopes, err = tx.DueScopes(d.p.daemonNow()); return err })
	})
	for _, s := range scopes {
		err = errors.Join(err, d.remediator.NotifyDue(d.ctx, s))
	}
	d.p.expected(d, err)
}

func (d *daemon) step(s inventory.Scope) int {
	if d.away { // another loop of the daemon adds the alerts that are due
		d.notifyDue()
		return 0
	}
	began := d.p.now
	d.stepSince = d.p.daemonNow()
	n, err := d.remediator.Reconcile(d.ctx, s, func() {})
	d.stepSince = time.Time{}
	d.p.expected(d, err)
	if err == nil && !d.dead {
		d.p.checkAfterStep(d, s, began)
	}
	return n
}

// deliver reports whether another alert may be due at once.
func (d *daemon) deliver() bool { return d.sender.TryNext(d.ctx) == 0 && !d.dead }

// due is the earliest time at which the daemon has something to do.
func (d *daemon) due() (at time.Time) {
	for _, s := range d.scopes() {
		var upcoming remediate.Upcoming
		d.p.must(d.store.View(context.Background(), func(tx *store.Tx) (err error) { upcoming, err = tx.NextDue(s); return err }))
		next := upcoming.At()
		if !next.IsZero() && (at.IsZero() || next.Before(at)) {
			at = next
		}
	}
	if rest := d.sender.TryNext(d.ctx); rest >= 0 {
		if next := d.p.daemonNow().Add(rest); at.IsZero() || next.Before(at) {
			at = next
		}
	}
	return at
}

// unsettled are the incidents that are open, blocked, or restored but not verified.
func (d *daemon) unsettled() (out []incident.Incident) {
	d.p.must(d.store.FindIncidents(context.Background(), store.Filter{States: []string{string(incident.Open), string(incident.Blocked), string(incident.Restored)}}, func(i incident.Incident) error {
		out = append(out, i)
		return nil
	}))
	return out
}

// repeated counts the bursts of which an alert, or the alert of their end, is still to come.
func (d *daemon) repeated() (n int) {
	d.p.must(d.store.View(context.Background(), func(tx *store.Tx) error {
		for _, s := range d.p.scopes() {
			all, err := tx.DueBursts(s, d.p.daemonNow().Add(time.Hour), d.p.daemonNow())
			if err != nil {
				return err
			}
			for _, b := range all {
				if b.Held.Calls > 0 || b.Summaries > 0 {
					n++
				}
			}
		}
		return nil
	}))
	return n
}

// expected fails the play if a daemon returns an error that no fault explains.
func (p *play) expected(d *daemon, err error) {
	if err == nil || d.dead || errors.Is(err, errDead) || p.stormy || d.wrongKeys || len(p.troubles) > 0 {
		return
	}
	p.fail("without any fault: %v", err)
}
