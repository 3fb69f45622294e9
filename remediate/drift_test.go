package remediate_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"flowkeeper/alert"
	"flowkeeper/inventory"
	"flowkeeper/remediate"
)

// let releases one of the flow logs, as an operator does.
func (s *scene) let(id string) {
	s.t.Helper()
	_, err := s.store.Change(s.t.Context(), func(r *inventory.Row) bool {
		if r.ID == id {
			r.ReleasedAt, r.ReleasedUntil = s.now.Add(-time.Minute), s.now.Add(24*time.Hour)
		}
		return r.ID == id
	})
	s.must(err)
}

// TestADriftThatIsPartlyAllowed: what was released does not make the deletion of
// another one quiet, whichever is decided about first.
func TestADriftThatIsPartlyAllowed(t *testing.T) {
	t.Parallel()
	for n := range 2 {
		t.Run(fmt.Sprintf("number %d is released", n+1), func(t *testing.T) {
			t.Parallel()
			s := newScene(t)
			ids := s.protect(2)
			s.let(ids[n])
			s.attack(ids...)
			s.refresh()
			s.pass(15 * time.Minute)
			s.is(ids[n], remediate.Closed, remediate.Released)
			a := s.alerts(alert.Deletion)
			if len(a) != 1 || a[0].Level != alert.Critical || !slices.Contains(a[0].RaisedBy, remediate.WholeVPC) || len(a[0].FlowLogs) != 2 {
				t.Fatalf("told %+v", a)
			}
			if r := s.alerts(alert.Restored); len(r) != 1 || r[0].RouteLevel == alert.Informational {
				t.Errorf("then %+v %+v", r[0].RouteLevel, r)
			}
		})
	}
}

// TestADriftThatIsAllowed is told, and wakes nobody.
func TestADriftThatIsAllowed(t *testing.T) {
	t.Parallel()
	s := newScene(t)
	ids := s.protect(4)
	s.let(ids[1])
	s.attack(ids[1])
	for _, n := range []int{1, 3, 4} {
		s.world.RemoveResource(account, region, fmt.Sprintf("vpc-%d", n))
	}
	s.refresh()
	s.pass(15 * time.Minute)
	if a := s.alerts(alert.Deletion); len(a) != 1 || a[0].Level != alert.Informational || len(a[0].FlowLogs) != 4 {
		t.Errorf("told %+v", a)
	}
}

// TestADriftDoesNotWaitForTheLast: where what is not decided takes long, people
// hear all the same, and are woken.
func TestADriftDoesNotWaitForTheLast(t *testing.T) {
	t.Parallel()
	s := newScene(t)
	ids := s.protect(2)
	s.let(ids[0])
	s.attack(ids...)
	s.refresh()
	s.must(s.store.Update(t.Context(), func(tx remediate.Tx) error { // as when thousands are before it
		i, _, err := tx.Incident(scope, ids[1])
		if err != nil {
			return err
		}
		i.NextAttemptAt = s.now.Add(time.Hour)
		return tx.PutIncident(i)
	}))
	s.pass(s.policy.DriftWait + 29*time.Second)
	s.told(map[alert.Kind]int{})
	s.pass(time.Second)
	s.work()
	if a := s.alerts(alert.Deletion); len(a) != 1 || a[0].Level != alert.Critical || len(a[0].FlowLogs) != 2 {
		t.Fatalf("told %+v", a)
	}
	s.pass(2 * time.Hour)
	s.restored("vpc-2")
	s.resolved()
}
