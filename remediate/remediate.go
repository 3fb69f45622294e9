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

// EC2 is what remediation calls of *ec2.Client.
type EC2 interface {
	inventory.Describer
	CreateFlowLogs(context.Context, *ec2.CreateFlowLogsInput, ...func(*ec2.Options)) (*ec2.CreateFlowLogsOutput, error)
	CreateTags(context.Context, *ec2.CreateTagsInput, ...func(*ec2.Options)) (*ec2.CreateTagsOutput, error)
}

// Fleet gives the client of a scope, with the credentials of that scope and
// no others (I13). A scope that has a client keeps it: Start asks for it once. EC2 returns
// false if the scope is not configured, or no longer is. Many goroutines call it at the same time.
type Fleet interface {
	EC2(scope inventory.Scope) (EC2, bool)
}

// Rehearsals prove that restores would be allowed, and that events arrive. They are called by many goroutines at
// the same time.
type Rehearsals interface {
	// Returned notes that the record of a rehearsal has come through the queue.
	Returned(ctx context.Context, scope inventory.Scope, f detection.Finding) error
	// AlertSilence alerts once when rehearsals do not come back any more.
	AlertSilence(ctx context.Context, scope inventory.Scope) error
}

// Tampering adds alerts of calls that change what flow logs or Flowkeeper depend on. Alert
// returns nil once everything that the findings ask for is on disk (I1), and calls keepAlive
// after each alert that goes past a full disk. It is called by many goroutines at the same time.
type Tampering interface {
	Alert(ctx context.Context, findings []detection.Finding, keepAlive func()) error
}

// Refreshes decide when each scope is refreshed, and follow the refreshes. They are called by many goroutines at the
// same time.
type Refreshes interface {
	// Soon asks for a refresh of one scope, AccountSoon for one of each scope of an account; empty: of all
	// accounts. They never block, and ignore what is not configured.
	Soon(scope inventory.Scope)
	AccountSoon(account string)
	// Asks is called before each call to AWS of a refresh, and what it returns with the call's error
	// once that has ended. ctx is the refresh's: what waits ends with that, and not with the call's time limit,
	// which is over soon after a late answer.
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
	// DeletionRecorded is called once for each record of a deletion that was news, with the
	// time from the deletion to its commit. A clock that lags makes it negative.
	DeletionRecorded(delay time.Duration)
	// Changed is called after each commit of a step on an incident.
	Changed(before, after incident.Incident)
}

// Remediator does what is to be done about deletions in every configured scope. Its
// exported fields are set before its first call. It is safe for concurrent use, except that
// Reconcile of a scope, and what Start began there, must not overlap.
//
// Each method puts together, for one scope, an intake, a restorer, a refresher or a
// notifier, and calls that. What these remember from call to call is in scopeMemory.
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
	// Parallel runs tasks at the same time, at most so many at once, and returns the first
	// error after all have ended. nil: goroutines.
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

	tasks sync.WaitGroup // calls to AWS that messages have left behind

	mu       sync.Mutex
	memories map[inventory.Scope]*scopeMemory // guarded by mu
	foreign  foreignScopes                    // guarded by mu
	asking   chan struct{}                    // made under mu: see askSlots
}

// Wait returns once the calls to AWS that RecordFindings left behind have ended. They end
// soon after the context that RecordFindings was given. None may be called meanwhile.
func (r *Remediator) Wait() { r.tasks.Wait() }

// Start begins to restore what is due in one scope, and returns at once. That goes on until ctx ends; the
// step in hand is finished first (I10), and then ended is called, on another goroutine.
// keepAlive is called at least every 45 seconds, and in a step whenever AWS has answered: many
// slow creates are no hang.
func (r *Remediator) Start(ctx context.Context, s inventory.Scope, keepAlive, ended func()) {
	api, configured := r.Fleet.EC2(s) // the restorer keeps it, also while the scope leaves the fleet
	m, jitter := r.memory(s), jitterOf(r)
	t := &turns{
		restorer: func() restorer { return newRestorer(r, newParts(r, s, api, configured)) },
		ctx:      ctx, keepAlive: keepAlive,
		ended: func() {
			m.setWake(nil) // which would keep the client of an account that has left
			ended()
		},
	}
	m.setWake(t.begin)
	t.start(r.Now(), jitter())
}

// Reconcile does what is due in one scope, once, as far as the scope's pace allows at this
// moment: the alerts that are due; then a shared observation, and one commit for all that
// needs no create, and at the same time at most one create for each of the others. One call may
// create the flow logs of up to 300 incidents; each call has one commit after it, and then keepAlive is called. It
// reports how many incidents it worked on; unless that is 0, more may be due. One call is one step.
func (r *Remediator) Reconcile(ctx context.Context, s inventory.Scope, keepAlive func()) (int, error) {
	re := r.restorer(s)
	w, err := re.due(ctx, true)
	if err != nil {
		return 0, err
	}
	return re.reconcile(ctx, w, keepAlive)
}

// Refresh brings the snapshot of one scope up to date with AWS. What AWS does
// not show any more is a deletion by drift; incidents that waited to learn of
// their flow log go on.
func (r *Remediator) Refresh(ctx context.Context, s inventory.Scope) (inventory.Counts, error) {
	parts := r.parts(s)
	return r.refresh(ctx, parts, parts.client)
}

// AllowSparing reports whether RefreshSparingly should begin now: at least half of the calls of
// DescribeFlowLogs are left, by restores and by AWS.
func (r *Remediator) AllowSparing(s inventory.Scope) bool {
	b := r.memory(s).pace.describes
	return float64(b.available(r.Now())) >= b.size/2
}

// RefreshSparingly is Refresh with at most half of the calls that EC2 grants of
// DescribeFlowLogs in a scope, for refreshes that are many: it waits before a call that would
// be more.
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

// NotifyDue alerts of what is due in a scope, also if that has no client, or if its step in hand takes
// long. It may run at the same time as the scope's restorer.
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
// restores of a scope. It takes one of the calls that they may make, and leaves them half of these.
func (r *Remediator) AllowDryRun(s inventory.Scope) bool {
	return r.memory(s).pace.creates.allowHalf(r.Now())
}

// RecordDryRunThrottle slows the creates of a scope if the error is AWS's refusal of a dry
// run for its rate.
func (r *Remediator) RecordDryRunThrottle(s inventory.Scope, err error) {
	r.parts(s).client.recordThrottle(r.memory(s).pace.creates, err)
}
