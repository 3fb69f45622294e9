package remediate

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/ec2"

	"flowkeeper/alert"
	"flowkeeper/internal/detection"
	"flowkeeper/inventory"
	"flowkeeper/remediate/incident"
)

// EC2 has the methods of *ec2.Client that remediation calls.
type EC2 interface {
	inventory.Describer
	CreateFlowLogs(context.Context, *ec2.CreateFlowLogsInput, ...func(*ec2.Options)) (*ec2.CreateFlowLogsOutput, error)
	CreateTags(context.Context, *ec2.CreateTagsInput, ...func(*ec2.Options)) (*ec2.CreateTagsOutput, error)
}

// Fleet gives the client of a scope, with the credentials of that scope and
// no others (I13). EC2 returns false if the scope is not configured, or no longer is. Start asks
// for the client once: a restorer keeps it. Many goroutines call EC2 at the same time.
type Fleet interface {
	EC2(scope inventory.Scope) (EC2, bool)
}

// Rehearsals prove that restores would be allowed, and that events arrive. They are called by many goroutines at
// the same time.
type Rehearsals interface {
	// Returned notes that the record of a rehearsal has come through the queue.
	Returned(ctx context.Context, scope inventory.Scope, f detection.Finding) error
	// AlertSilence alerts once when the records of rehearsals no longer come back.
	AlertSilence(ctx context.Context, scope inventory.Scope) error
}

// Tampering adds alerts of calls that change what flow logs or Flowkeeper depend on. Alert
// returns nil once everything that the findings ask for is on disk (I1). It calls keepAlive after
// each alert that it sends without the outbox, because the store fails. It is called by many
// goroutines at the same time.
type Tampering interface {
	Alert(ctx context.Context, findings []detection.Finding, keepAlive func()) error
}

// Refreshes decide when each scope is refreshed, and follow the refreshes. They are called by many goroutines at the
// same time.
type Refreshes interface {
	// Soon asks for a refresh of one scope, AccountSoon for one of each scope of an account (empty: of all
	// accounts). They never block, and ignore scopes and accounts that are not configured.
	Soon(scope inventory.Scope)
	AccountSoon(account string)
	// Asks is called before each call to AWS of a refresh. It returns a function that is called once the call
	// has ended, with its error. That function may wait until ctx ends: ctx is the refresh's, because the time
	// limit of the call is over soon after a late answer.
	Asks(ctx context.Context, scope inventory.Scope) (ended func(error))
}

// Senders send alerts. They are called by many goroutines at the same time.
type Senders interface {
	// Wake is called after each commit that may have put alerts into the outbox. It never blocks.
	Wake()
	// Bypass sends an alert past the outbox, for when the store fails (I1), and returns once each sink has been
	// tried. Only RecordFindings calls it.
	Bypass(ctx context.Context, a alert.Alert)
}

// Meter counts what the remediator has done. It is called by many goroutines at the same time.
type Meter interface {
	// DeletionRecorded is called once for each new record of a deletion, with the time from
	// the deletion to its commit. A clock that lags makes it negative.
	DeletionRecorded(delay time.Duration)
	// Changed is called after each commit of a step on an incident.
	Changed(before, after incident.Incident)
}

// Remediator restores deleted flow logs in every configured scope. Its exported fields are
// set before its first call. It is safe for concurrent use, with one exception: Reconcile must
// not run twice at the same time for a scope, nor while Start restores that scope.
//
// Each method makes an intake, a restorer, a refresher or a notifier of one scope, and calls
// it. scopeMemory has what these remember from one call to the next.
type Remediator struct {
	Store    Store
	News     NewsStore
	Snapshot inventory.Snapshot
	Fleet    Fleet
	Policy   incident.Policy
	Now      func() time.Time
	Log      *slog.Logger
	Senders  Senders
	// Rehearsals gets the findings about rehearsals. nil: there are no rehearsals.
	Rehearsals Rehearsals
	// Refreshes may be nil if RecordFindings is not called, as in a command: then no refresh is asked for.
	Refreshes Refreshes
	// Parallel runs tasks at the same time, but never more than most of them, and returns the
	// first error after all have ended. nil: goroutines.
	Parallel func(most int, tasks ...func() error) error
	// Background runs a task, at the same time as its caller or at another time. nil: a
	// goroutine, for which Wait waits.
	Background func(task func())
	// Pause waits between the tries of RestoreByHand until d has passed, or ctx ends: then it returns
	// false. nil: real time passes.
	Pause func(ctx context.Context, d time.Duration) bool
	// Rand is the source of jitter, in [0, 1). nil: math/rand. A run that must repeat
	// itself exactly has its own Parallel, Background, Pause, Rand and Random.
	Rand func() float64
	// Random is the source of new ClientTokens, which must be unpredictable. nil: crypto/rand.
	Random func() [32]byte
	// Meter counts what was committed. nil: nothing is counted.
	Meter Meter
	// Tampering gets the findings about resources that flow logs depend on. It must not be nil
	// if RecordFindings is called.
	Tampering Tampering

	tasks sync.WaitGroup // calls to AWS that go on after RecordFindings

	mu       sync.Mutex
	memories map[inventory.Scope]*scopeMemory // guarded by mu
	foreign  foreignScopes                    // guarded by mu
	asking   chan struct{}                    // made under mu: see askSlots
}

// Wait returns once the calls to AWS that go on after RecordFindings have ended. They end soon
// after the context that RecordFindings was given. RecordFindings must not be called meanwhile.
func (r *Remediator) Wait() { r.tasks.Wait() }

// Start begins to restore what is due in one scope, and returns at once. Restoring goes on
// until ctx ends: then the current step is finished (I10), and ended is called on another
// goroutine. keepAlive is called at least every 45 seconds, and in a step whenever AWS has
// answered, so that many slow creates do not look like a hang.
func (r *Remediator) Start(ctx context.Context, s inventory.Scope, keepAlive, ended func()) {
	api, configured := r.Fleet.EC2(s) // the restorer keeps it, also while the scope leaves the fleet
	m, jitter := r.memory(s), jitterOf(r)
	l := &restorerLoop{
		restorer: func() restorer { return newRestorer(r, newParts(r, s, api, configured)) },
		ctx:      ctx, keepAlive: keepAlive,
		ended: func() {
			m.setWake(nil) // l.begin would keep the client of an account that has left
			ended()
		},
	}
	m.setWake(l.begin)
	l.start(r.Now(), jitter())
}

// Reconcile does one step in one scope, as far as the scope's pace allows at this moment. It
// adds the alerts that are due. Then it observes the resources of the incidents that are due, in
// shared calls. Then, at the same time, it commits what it observed of the incidents that need
// no create, and sends at most one create for each of the others. One create may make the flow
// logs of up to 300 incidents. After each create it commits the answer, and calls keepAlive. It
// returns how many incidents it worked on; unless that is 0, more may be due.
func (r *Remediator) Reconcile(ctx context.Context, s inventory.Scope, keepAlive func()) (int, error) {
	re := r.restorer(s)
	w, err := re.due(ctx, true)
	if err != nil {
		return 0, err
	}
	return re.reconcile(ctx, w, keepAlive)
}

// Refresh brings the snapshot of one scope up to date with AWS. A flow log that AWS no
// longer shows is a loss by drift. Incidents of flow logs that the snapshot did not know
// go on, if the refresh shows these.
func (r *Remediator) Refresh(ctx context.Context, s inventory.Scope) (inventory.Counts, error) {
	parts := r.parts(s)
	return r.refresh(ctx, parts, parts.client)
}

// AllowSparing reports whether RefreshSparingly should begin now: at least half of the tokens for
// DescribeFlowLogs calls are left, because restores need few and AWS does not throttle.
func (r *Remediator) AllowSparing(s inventory.Scope) bool {
	b := r.memory(s).pace.describes
	return float64(b.available(r.Now())) >= b.size/2
}

// RefreshSparingly is Refresh with at most half of the DescribeFlowLogs calls that EC2 allows in
// a scope: it waits before a call that would be more. It is for refreshes that events cause,
// of which there may be many.
func (r *Remediator) RefreshSparingly(ctx context.Context, s inventory.Scope) (inventory.Counts, error) {
	parts := r.parts(s)
	return r.refresh(ctx, parts, sparing{parts.client})
}

func (r *Remediator) refresh(ctx context.Context, parts scopeParts, api inventory.Describer) (inventory.Counts, error) {
	if r.Refreshes != nil {
		api = announced{api, func() func(error) { return r.Refreshes.Asks(ctx, parts.store.scope) }}
	}
	counts, err := refresher{scopeParts: parts, api: api, snapshot: r.Snapshot, parallel: r.parallel()}.refresh(ctx)
	if err != nil {
		return counts, err
	}
	err = parts.notifier.notifyNews(ctx)
	if r.Rehearsals != nil {
		err = errors.Join(err, r.Rehearsals.AlertSilence(ctx, parts.store.scope))
	}
	return counts, err
}

// NotifyDue adds the alerts that are due in a scope, even if the scope has no client, or its current step
// takes long. It may run at the same time as the scope's restorer.
func (r *Remediator) NotifyDue(ctx context.Context, s inventory.Scope) error {
	return r.parts(s).notifier.notifyDue(ctx)
}

// WakeRestorers has every restorer ask the store what is due. It is called after another
// process has changed the store.
func (r *Remediator) WakeRestorers() {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, m := range r.memories {
		m.wakeUp()
	}
}

// AllowDryRun reports whether a dry run of a create may be sent now, in addition to the
// restores of a scope. If so, it takes one of the calls that restores may make, and leaves them
// at least half of these.
func (r *Remediator) AllowDryRun(s inventory.Scope) bool {
	return r.memory(s).pace.creates.allowHalf(r.Now())
}

// RecordDryRunThrottle slows the creates of a scope if the error is AWS's refusal of a dry
// run for its rate.
func (r *Remediator) RecordDryRunThrottle(s inventory.Scope, err error) {
	r.parts(s).client.recordThrottle(r.memory(s).pace.creates, err)
}
