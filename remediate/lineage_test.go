package remediate_test

import (
	"testing"
	"time"

	"flowkeeper/alert"
	"flowkeeper/internal/store"
	"flowkeeper/inventory"
	"flowkeeper/remediate/incident"
)

// TestI3AStaleObservationShowsAnAncestor: another daemon has replaced the first flow
// log, and this one knows the replacement alone. When that is deleted,
// an observation of a moment ago shows the first one, which does the same
// and is long gone: it is not adopted.
func TestI3AStaleObservationShowsAnAncestor(t *testing.T) {
	t.Parallel()
	s := newScene(t)
	first := s.protect(1)[0]
	if !s.world.Remove(account, region, first) {
		t.Fatal("not there")
	}
	s.now = s.now.Add(time.Second)
	second := s.plant("vpc-1", nil)
	s.deliver(s.recordOfCreate(second))
	s.now = s.now.Add(time.Second)
	f := s.attack(second)
	s.world.SetConsistencyDelay(2500 * time.Millisecond)
	s.deliver(f)
	s.reconcile()
	if i := s.wantState(second, incident.Restored, ""); i.Adopted {
		t.Fatalf("adopted %s", i.NewID)
	}
	s.world.SetConsistencyDelay(0)
	s.refresh()
	s.advance(time.Hour)
	s.wantRestored("vpc-1")
}

// TestI4ALineageThatLeadsBack: should an incident have taken an ancestor for
// its replacement all the same, the loss of that one opens it again. Each
// counting on the other would leave none.
func TestI4ALineageThatLeadsBack(t *testing.T) {
	t.Parallel()
	s := newScene(t)
	first := s.protect(1)[0]
	f := s.attack(first)
	s.deliver(f)
	s.reconcile()
	second := s.wantState(first, incident.Restored, "").NewID
	if !s.world.Remove(account, region, second) {
		t.Fatal("not there")
	}
	s.must(s.store.Update(t.Context(), func(tx *store.Tx) error {
		lost, _, err := tx.Incident(scope, first)
		s.must(err)
		back := lost
		lost.State, lost.NewID, lost.NextAttemptAt = incident.Open, "", s.now // as if the answer was lost
		back.FlowLogID, back.State, back.NewID, back.Adopted, back.NextAttemptAt = second, incident.Verified, first, true, time.Time{}
		s.must(tx.PutIncident(lost))
		row, _, err := tx.FlowLog(scope, second)
		s.must(err)
		row.State, row.GoneAt = inventory.Gone, s.now
		s.must(tx.PutFlowLog(row))
		return tx.PutIncident(back)
	}))
	s.advance(time.Hour)
	s.wantState(first, incident.Closed, incident.Superseded)
	s.wantState(second, incident.Verified, "")
	s.wantRestored("vpc-1")
}

// TestI4TakenForGoneByMistake: a forged record names a replacement that is too
// young for every observation to show, and this one shows an equivalent that is gone:
// that one is adopted, and the living one counts as gone. When nothing can be
// made in its place, because it stands there, it is known to be alive.
func TestI4TakenForGoneByMistake(t *testing.T) {
	t.Parallel()
	s := newScene(t)
	first := s.protect(1)[0]
	f := s.attack(first)
	third := s.plant("vpc-1", nil)
	s.now = s.now.Add(time.Second)
	if !s.world.Remove(account, region, third) {
		t.Fatal("not there")
	}
	s.now = s.now.Add(time.Second)
	s.deliver(f)
	s.reconcile()
	second := s.wantState(first, incident.Restored, "").NewID
	s.now = s.now.Add(500 * time.Millisecond)
	s.world.SetConsistencyDelay(2 * time.Second) // third is there, second is not yet
	s.deliver(s.record(second))
	s.reconcile()
	if i := s.wantState(second, incident.Restored, ""); i.NewID != third || !i.Adopted {
		t.Fatalf("incident %+v", i)
	}
	s.world.SetConsistencyDelay(0)
	s.refresh()
	s.advance(time.Hour)
	s.wantState(third, incident.Closed, incident.Superseded)
	s.wantState(second, incident.Closed, incident.StillThere)
	s.wantState(first, incident.Verified, "")
	if f := s.wantRestored("vpc-1"); f.ID != second || s.row(second).State != inventory.Live || !s.row(second).Protected {
		t.Errorf("flow log %+v, row %+v", f, s.row(second))
	}
	s.wantAlerts(alert.Decoy, 0) // what does the same is no decoy
	s.attackAndReconcile(second)
	s.wantState(second, incident.Restored, "")
	s.wantRestored("vpc-1")
}
