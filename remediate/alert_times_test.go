package remediate_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"flowkeeper/alert"
	"flowkeeper/remediate/incident"
)

// TestI7EveryPagerResolves, whichever of several events named a flow log, and
// whenever they came.
func TestI7EveryPagerResolves(t *testing.T) {
	t.Parallel()
	t.Run("the event of a drift after the restore", func(t *testing.T) {
		t.Parallel()
		s, id := protectedOne(t)
		f := s.attack(id)
		s.refresh()
		s.advance(5 * time.Minute)
		s.wantState(id, incident.Restored, "")
		s.deliver(f)
		s.advance(time.Hour)
		s.wantState(id, incident.Verified, "")
		s.wantResolved()
		s.wantAlertCounts(map[alert.Kind]int{alert.Deletion: 2, alert.Restored: 1, alert.Closed: 2})
	})
	t.Run("the event of a drift that is blocked", func(t *testing.T) {
		t.Parallel()
		s, id := protectedOne(t)
		s.world.Deny("flowkeeper", "CreateFlowLogs")
		f := s.attack(id)
		s.refresh()
		s.advance(5 * time.Minute)
		s.wantState(id, incident.Blocked, incident.Permission)
		s.deliver(f)
		s.world.Allow("flowkeeper", "CreateFlowLogs")
		s.advance(time.Hour)
		s.wantState(id, incident.Verified, "")
		s.wantResolved()
	})
	t.Run("several records of one loss, and of what is unknown", func(t *testing.T) {
		t.Parallel()
		s, id := protectedOne(t)
		f := s.attack(id)
		s.deliver(f)
		s.deliver(s.record(id, "fl-0000dead"))
		s.reconcile()
		s.deliver(s.record(id))
		s.deliver(s.record("fl-0000dead"))
		s.advance(time.Hour)
		s.deliver(s.record(id))
		s.advance(time.Hour)
		s.wantResolved()
	})
	t.Run("as many records of what is unknown as its history has lines", func(t *testing.T) {
		t.Parallel()
		s := newScene(t)
		for n := range 4 { // as many: the one that is written when it is closed takes the place of one of theirs
			s.deliver(as(s.record("fl-0000dead"), fmt.Sprint(ci, n)))
		}
		s.wantAlerts(alert.Deletion, 4)
		s.now = s.now.Add(6 * time.Minute)
		s.must(s.r.NotifyDue(t.Context(), scope))
		s.wantState("fl-0000dead", incident.Open, "")
		s.refresh()
		s.advance(time.Hour)
		s.wantState("fl-0000dead", incident.Closed, incident.Unknown)
		s.wantResolved()
	})
}

// TestWhatIsStuckIsAlertedWithinHalfAMinute, though others of the event are still
// on their way.
func TestWhatIsStuckIsAlertedWithinHalfAMinute(t *testing.T) {
	t.Parallel()
	s := newScene(t)
	a, b := s.protectTwo()
	s.world.RemoveDestination(bucket)
	s.world.RemoveResource(account, region, "vpc-2") // asked twice, settle apart
	s.deliver(s.attack(a))
	f := s.record(a, b)
	s.world.Remove(account, region, b)
	s.deliver(f)
	s.advance(25 * time.Second)
	s.advance(10 * time.Second)
	s.wantAlerts(alert.Blocked, 1)
}

// TestRestoredAfterTheFirstFiveMinutes has its alert, though others are not back.
func TestRestoredAfterTheFirstFiveMinutes(t *testing.T) {
	t.Parallel()
	s := newScene(t)
	a, b := s.protectTwo()
	s.world.RemoveDestination("arn:aws:s3:::other")
	s.world.RemoveDestination(bucket)
	s.deliver(s.attack(a, b))
	s.advance(6 * time.Minute)
	s.wantAlerts(alert.Restored, 0) // neither is back
	s.world.AddDestination(bucket)
	s.advance(time.Hour)
	s.wantState(a, incident.Verified, "")
	s.wantAlerts(alert.Restored, 1) // one is back
}

// TestADeletionAlertPromisesNothingThatWillNotCome, where that is known at once.
func TestADeletionAlertPromisesNothingThatWillNotCome(t *testing.T) {
	t.Parallel()
	s, id := protectedOne(t)
	s.deliver(s.record("fl-0000dead"))
	s.release(time.Hour)
	s.attackAndReconcile(id)
	for n, want := range []string{"never seen in AWS", "it was released"} {
		if a := s.alerts(alert.Deletion)[n]; !strings.Contains(a.Text, want) || !strings.Contains(a.Text, "Flowkeeper: does not restore it") {
			t.Errorf("%s", a.Text)
		}
	}
	s.wantState(id, incident.Closed, incident.Released)
}

// TestAnotherReasonIsOneAlert of an event, too.
func TestAnotherReasonIsOneAlert(t *testing.T) {
	t.Parallel()
	s, ids := protected(t, 12)
	s.world.Deny("flowkeeper", "CreateFlowLogs")
	s.deliver(s.attack(ids...))
	s.advance(20 * time.Minute)
	before := len(s.alerts(alert.Blocked))
	s.world.Allow("flowkeeper", "CreateFlowLogs")
	s.world.RemoveDestination(bucket)
	s.advance(time.Hour)
	if n := len(s.alerts(alert.Blocked)); n > before+1 {
		t.Errorf("%d alerts, then %d", before, n)
	}
}
