package remediate_test

import (
	"context"
	"testing"
	"time"

	"flowkeeper/internal/store"
	"flowkeeper/inventory"
	"flowkeeper/remediate"
	"flowkeeper/remediate/incident"
)

// TestI2AnOldCopyOnlyTells: a state file that came back from an old copy knows
// flow logs that were deleted for good since. What its first refresh does not
// find is told and not restored; later drift is restored as ever, and an event
// asks for a restore even of the former.
func TestI2AnOldCopyOnlyTells(t *testing.T) {
	t.Parallel()
	s := newScene(t)
	ids := s.protect(3)
	s.adopt(store.Adoption{Now: s.now, Stale: time.Hour, Made: s.now.Add(-72 * time.Hour)})
	s.now = s.now.Add(72 * time.Hour)
	s.world.Remove(account, region, ids[0])
	late := s.attack(ids[1])
	s.refresh()
	s.now = s.now.Add(5 * time.Minute)
	s.work()
	for _, id := range ids[:2] {
		if i := s.incident(id); i.State != incident.Closed || i.Reason != incident.AlertOnly {
			t.Errorf("%s: %s %s", id, i.State, i.Reason)
		}
	}
	s.world.Remove(account, region, ids[2])
	s.refresh()
	s.hear(late)
	s.now = s.now.Add(5 * time.Minute)
	s.work()
	for _, id := range ids[1:] {
		if i := s.incident(id); i.State != incident.Restored {
			t.Errorf("%s: %s %s", id, i.State, i.Reason)
		}
	}
}

// learning is a store in whose first Update something else comes first.
type learning struct {
	remediate.Store
	first func()
}

func (l *learning) Update(ctx context.Context, fn func(remediate.Tx) error) error {
	if first := l.first; first != nil {
		l.first = nil
		first()
	}
	return l.Store.Update(ctx, fn)
}

// TestI5ALookThatCoversNothingShowsNothing: a flow log that was not known when a step
// began has no resource to look at. If a refresh learns it meanwhile, that step has not
// seen it gone.
func TestI5ALookThatCoversNothingShowsNothing(t *testing.T) {
	t.Parallel()
	s := newScene(t)
	s.protect(1)
	id := s.plant("vpc-young", nil)
	s.hear(s.record(id)) // it is there all the same
	s.r.Store = &learning{s.store.Remediation(), func() { s.refresh() }}
	s.step()
	if s.row(id).State != inventory.Live {
		t.Error("a live flow log is marked gone")
	}
	s.pass(10 * time.Minute)
	s.is(id, incident.Closed, incident.StillThere)
}
