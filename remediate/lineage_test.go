package remediate_test

import (
	"testing"
	"time"

	"flowkeeper/alert"
	"flowkeeper/internal/store"
	"flowkeeper/inventory"
	"flowkeeper/remediate/incident"
)

// TestI3AStaleObservationShowsAnAncestor: another daemon has replaced the first flow log. This daemon knows
// both, but no record or refresh has shown it that the first one is gone. When the replacement is deleted, a
// stale observation still shows the first flow log, which has equal settings. It must not be adopted.
func TestI3AStaleObservationShowsAnAncestor(t *testing.T) {
	t.Parallel()
	s := newScene(t)
	first := s.protect(1)[0]
	if !s.world.Remove(account, region, first) {
		t.Fatal("the flow log is not there to be deleted")
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

// TestI4ALineageThatLeadsBack: the incident of a replacement has adopted an ancestor, though the ancestor is
// gone. When that loss is noticed, one incident is opened again. If each incident relied on the other, no flow
// log would be left.
func TestI4ALineageThatLeadsBack(t *testing.T) {
	t.Parallel()
	s := newScene(t)
	first := s.protect(1)[0]
	f := s.attack(first)
	s.deliver(f)
	s.reconcile()
	second := s.wantState(first, incident.Restored, "").NewID
	if !s.world.Remove(account, region, second) {
		t.Fatal("the flow log is not there to be deleted")
	}
	s.must(s.store.Update(t.Context(), func(tx *store.Tx) error {
		lost, _, err := tx.Incident(scope, first)
		s.must(err)
		back := lost
		lost.State, lost.NewID, lost.NextAttemptAt = incident.Open, "", s.now // as if the answer of the create was lost
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

// TestI4TakenForGoneByMistake: a forged record names a replacement that is so young that an observation does not
// show it. The observation shows an equivalent flow log that is gone by now, which is adopted. So the live
// replacement counts as gone. When AWS refuses to create another one because the replacement exists, it must
// count as alive again.
func TestI4TakenForGoneByMistake(t *testing.T) {
	t.Parallel()
	s := newScene(t)
	first := s.protect(1)[0]
	f := s.attack(first)
	third := s.plant("vpc-1", nil)
	s.now = s.now.Add(time.Second)
	if !s.world.Remove(account, region, third) {
		t.Fatal("the flow log is not there to be deleted")
	}
	s.now = s.now.Add(time.Second)
	s.deliver(f)
	s.reconcile()
	second := s.wantState(first, incident.Restored, "").NewID
	s.now = s.now.Add(500 * time.Millisecond)
	s.world.SetConsistencyDelay(2 * time.Second) // observations show third, and not yet second
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
	s.wantAlerts(alert.Decoy, 0) // an equivalent flow log is no decoy
	s.attackAndReconcile(second)
	s.wantState(second, incident.Restored, "")
	s.wantRestored("vpc-1")
}
