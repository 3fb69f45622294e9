package remediate_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"flowkeeper/alert"
	"flowkeeper/remediate/incident"
)

// TestI7EveryPagerResolves: every incident that an alert opens in a pager is resolved, also if several events
// name the same flow log, and in any order.
func TestI7EveryPagerResolves(t *testing.T) {
	t.Parallel()
	t.Run("a drift whose record comes after the restore", func(t *testing.T) {
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
	t.Run("a blocked drift whose record comes later", func(t *testing.T) {
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
	t.Run("several records of one loss, and of an unknown flow log", func(t *testing.T) {
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
	t.Run("as many records of an unknown flow log as its history keeps lines", func(t *testing.T) {
		t.Parallel()
		s := newScene(t)
		for n := range 4 { // so the line that closes the incident pushes out the line of one of the records
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

// TestWhatIsStuckIsAlertedWithinHalfAMinute: a blocked flow log is alerted within 30 seconds, even if it is not
// decided yet what becomes of the other flow log of the event.
func TestWhatIsStuckIsAlertedWithinHalfAMinute(t *testing.T) {
	t.Parallel()
	s := newScene(t)
	a, b := s.protectTwo()
	s.world.RemoveDestination(bucket)
	s.world.RemoveResource(account, region, "vpc-2") // its incident stays open until AWS has refused twice, ConsistencyWindow apart
	s.deliver(s.attack(a))
	f := s.record(a, b)
	s.world.Remove(account, region, b)
	s.deliver(f)
	s.advance(25 * time.Second)
	s.advance(10 * time.Second)
	s.wantAlerts(alert.Blocked, 1)
}

// TestRestoredAfterTheFirstFiveMinutes: a flow log that comes back later than five minutes after the loss has a
// restored alert, even if the other flow log of the event is still not back.
func TestRestoredAfterTheFirstFiveMinutes(t *testing.T) {
	t.Parallel()
	s := newScene(t)
	a, b := s.protectTwo()
	s.world.RemoveDestination("arn:aws:s3:::other")
	s.world.RemoveDestination(bucket)
	s.deliver(s.attack(a, b))
	s.advance(6 * time.Minute)
	s.wantAlerts(alert.Restored, 0) // neither flow log is back
	s.world.AddDestination(bucket)
	s.advance(time.Hour)
	s.wantState(a, incident.Verified, "")
	s.wantAlerts(alert.Restored, 1) // a is back, b is not
}

// TestADeletionAlertPromisesNothingThatWillNotCome: if it is known at once that a flow log will not be restored,
// its deletion alert says so, and why.
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

// TestAnotherReasonIsOneAlert: if all 12 flow logs of an event become blocked for another reason than before,
// there is at most one more alert.
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
		t.Errorf("%d alerts for the first reason, %d in all; want at most one more", before, n)
	}
}
