package remediate

import (
	"context"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"golang.org/x/sync/errgroup"

	"flowkeeper/alert"
	"flowkeeper/internal/detection"
	"flowkeeper/inventory"
	"flowkeeper/remediate/answer"
	"flowkeeper/remediate/incident"
)

// EC2 is what remediation calls of *ec2.Client.
type EC2 interface {
	inventory.Describer
	CreateFlowLogs(context.Context, *ec2.CreateFlowLogsInput, ...func(*ec2.Options)) (*ec2.CreateFlowLogsOutput, error)
}

// Fleet gives the client of a scope, with the credentials of that scope and
// no others (I13).
type Fleet interface {
	EC2(scope inventory.Scope) (EC2, bool)
}

// Rehearsals prove that restores would be allowed, and that events arrive.
type Rehearsals interface {
	// Returned notes that the record of a rehearsal has come through the queue.
	Returned(ctx context.Context, scope inventory.Scope, f detection.Finding) error
	// AlertSilence alerts once when rehearsals do not come back any more.
	AlertSilence(ctx context.Context, scope inventory.Scope) error
}

// Remediator owns what is done about deletions in every configured scope.
type Remediator struct {
	Store    Store
	News     NewsStore
	Snapshot inventory.Snapshot
	Fleet    Fleet
	Policy   incident.Policy
	Now      func() time.Time
	Log      *slog.Logger
	// AlertsAdded is called after each commit that may have put alerts into the
	// outbox.
	AlertsAdded func()
	// Rehearsals are told what concerns them; nil: nobody rehearses here.
	Rehearsals Rehearsals
	// RefreshSoon asks for a refresh of one scope, or of all.
	RefreshSoon func(scope inventory.Scope, all bool)
	// BypassOutbox sends an alert past the outbox, for when the store fails (I1).
	BypassOutbox func(ctx context.Context, a alert.Alert)
	// Parallel runs tasks at the same time, at most so many at once, and returns the first
	// error after all have ended. nil: goroutines.
	Parallel func(most int, tasks ...func() error) error
	// Rand is the source of jitter, in [0, 1). nil: math/rand. A run that must repeat
	// itself exactly has its own, and its own Parallel.
	Rand func() float64
	// Meter is told what was committed; nil: nobody is.
	Meter Meter
	// Tampering is handed what concerns no flow log itself, but what one depends on.
	Tampering Tampering

	tasks sync.WaitGroup // calls to AWS that messages have left behind

	mu      sync.Mutex
	scopes  map[inventory.Scope]*scopeState
	foreign foreignScopes
}

// Tampering adds alerts of calls that change what flow logs or Flowkeeper depend on. Alert
// returns nil once everything that the findings ask for is on disk (I1), and calls beat
// after each alert that goes past a full disk.
type Tampering interface {
	Alert(ctx context.Context, findings []detection.Finding, beat func()) error
}

// Meter counts what the remediator has done.
type Meter interface {
	// DeletionRecorded is called once for each record of a deletion that was news, with the
	// time from the deletion to its commit. A clock that lags makes it negative.
	DeletionRecorded(delay time.Duration)
	// Changed is called after each commit of a step on an incident.
	Changed(before, after incident.Incident)
}

// scopeState is what one scope's restorer keeps in memory: nothing that a
// crash may not forget.
type scopeState struct {
	mu           sync.Mutex
	observations []incident.Observation
	wake         chan struct{}
	turn         int                  // of the steps; the restorer's alone
	torn         map[string]time.Time // resources that a record says are deleted, and when that was heard
	pace         *pace

	background atomic.Int32 // calls to AWS that messages have left behind
	slow       atomic.Int32 // … of those about what was created: how many take long

	reconsidered atomic.Bool // inventory.destinations has been applied to the snapshot
}

const (
	callTimeout      = 25 * time.Second // of one EC2 call: an alert never waits longer for its answer
	observationFresh = 2 * time.Second  // how long a look made beside a commit counts
	maxObservations  = 16               // of those kept
	perObservation   = 200              // resources in one call: the most values of one filter
)

func (r *Remediator) scope(s inventory.Scope) *scopeState {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.scopes == nil {
		r.scopes = map[inventory.Scope]*scopeState{}
	}
	st := r.scopes[s]
	if st == nil {
		st = &scopeState{wake: make(chan struct{}, 1), pace: newPace(r.Now())}
		r.scopes[s] = st
	}
	return st
}

// keepObservation remembers a look for the restorer.
func (s *scopeState) keepObservation(l incident.Observation) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.observations) < maxObservations {
		s.observations = append(s.observations, l)
	}
}

// takeObservation hands out a kept look that covers a resource and did not begin before
// the incident opened: an earlier one would show the flow log still alive.
func (s *scopeState) takeObservation(resource string, opened, now time.Time) (incident.Observation, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	fresh := s.observations[:0]
	for _, l := range s.observations {
		if age := now.Sub(l.At); age >= 0 && age <= observationFresh {
			fresh = append(fresh, l)
		}
	}
	s.observations = fresh
	for i := range s.observations {
		if s.observations[i].Resources[resource] && !s.observations[i].At.Before(opened) {
			return s.observations[i], true
		}
	}
	return incident.Observation{}, false
}

func (s *scopeState) wakeUp() {
	select {
	case s.wake <- struct{}{}:
	default:
	}
}

// WakeRestorers makes every restorer look at what is due: another process has
// changed the store.
func (r *Remediator) WakeRestorers() {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, s := range r.scopes {
		s.wakeUp()
	}
}

// observeResources asks AWS what is on the resources.
func (r *Remediator) observeResources(ctx context.Context, scope inventory.Scope, api EC2, resources []string) (incident.Observation, error) {
	l := incident.Observation{At: r.Now(), Resources: map[string]bool{}}
	for _, id := range resources {
		l.Resources[id] = true
	}
	found, err := inventory.OnResources(ctx, scope, api, resources)
	if err != nil {
		r.RecordThrottle(scope, err)
		return l, fmt.Errorf("look at %d resources in %s: %w", len(resources), scope, err)
	}
	l.FlowLogs = found
	return l, nil
}

// RecordThrottle slows the scope's pace if the error is AWS's refusal of a call for its
// rate.
func (r *Remediator) RecordThrottle(scope inventory.Scope, err error) {
	if answer.IsThrottle(err) {
		r.scope(scope).pace.throttled(r.Now())
	}
}

func (r *Remediator) inParallel(most int, tasks ...func() error) error {
	if r.Parallel != nil {
		return r.Parallel(most, tasks...)
	}
	var g errgroup.Group
	g.SetLimit(most)
	for _, t := range tasks {
		g.Go(t)
	}
	return g.Wait()
}

func (r *Remediator) jitter() float64 {
	if r.Rand != nil {
		return r.Rand()
	}
	return rand.Float64()
}
