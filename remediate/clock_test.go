package remediate_test

import (
	"testing"
	"time"

	"flowkeeper/alert"
	"flowkeeper/remediate/incident"
)

// TestAClockThatGoesBack: the clock goes back by a day. A retry that was due in a minute is done within a
// minute, and not a day later.
func TestAClockThatGoesBack(t *testing.T) {
	t.Parallel()
	s, ids := protected(t, 2)
	s.world.Deny("flowkeeper", "CreateFlowLogs")
	s.attackAndReconcile(ids...)
	s.wantState(ids[0], incident.Blocked, incident.Permission)
	s.world.Allow("flowkeeper", "CreateFlowLogs")
	s.now = s.now.Add(-24 * time.Hour)
	s.advance(time.Minute)
	s.wantState(ids[0], incident.Restored, "")
	s.wantRestored("vpc-1")
	s.advance(time.Hour)
	s.wantState(ids[1], incident.Verified, "")
	s.wantAlertCounts(map[alert.Kind]int{alert.Deletion: 1, alert.Blocked: 1, alert.Restored: 1, alert.Closed: 1})
}

// TestAClockThatLeapsForward: a forged record names a live flow log, and the clock leaps forward by a day. The
// old observation then seems old enough to be relied on. AWS is asked once more before anything is created.
func TestAClockThatLeapsForward(t *testing.T) {
	t.Parallel()
	s, ids := protected(t, 1)
	s.deliver(s.record(ids[0])) // forged: the flow log is alive
	s.reconcile()
	s.now = s.now.Add(24 * time.Hour)
	s.advance(time.Hour)
	s.wantState(ids[0], incident.Closed, incident.StillThere)
	if s.wantRestored("vpc-1").ID != ids[0] || s.creates() != 0 {
		t.Error("a flow log was created, though the deletion was forged")
	}
}

// TestAClockThatWasAhead: the clock was ten days ahead, and is set right. What was stored with the later time is
// not delayed until that time.
func TestAClockThatWasAhead(t *testing.T) {
	t.Parallel()
	const ahead = 10 * 24 * time.Hour
	t.Run("a row of the snapshot", func(t *testing.T) {
		t.Parallel()
		s := newScene(t)
		id := s.plant("vpc-1", nil)
		s.now = s.now.Add(ahead)
		s.refresh()
		s.now = s.now.Add(time.Hour - ahead)
		s.refresh()
		s.attack(id) // its record never comes
		s.refresh()
		s.advance(10 * time.Minute)
		s.wantRestored("vpc-1")
	})
	t.Run("drift_wait", func(t *testing.T) {
		t.Parallel()
		s := newScene(t)
		s.attack(s.protect(1)[0])
		s.refresh()
		s.now = s.now.Add(-ahead)
		s.advance(10 * time.Minute)
		s.wantRestored("vpc-1")
	})
	t.Run("flapping", func(t *testing.T) {
		t.Parallel()
		s, _ := protectedOne(t)
		for range 5 {
			s.attackAndReconcile(s.wantRestored("vpc-1").ID)
		}
		s.now = s.now.Add(-ahead)
		s.deliver(s.attack(s.wantRestored("vpc-1").ID))
		s.advance(time.Minute)
		s.wantRestored("vpc-1")
	})
	t.Run("a resource that is gone", func(t *testing.T) {
		t.Parallel()
		s, id := protectedOne(t)
		f := s.attack(id)
		s.world.RemoveResource(account, region, "vpc-1")
		s.deliver(f)
		s.reconcile()
		s.now = s.now.Add(-ahead)
		s.advance(30 * time.Minute)
		s.wantState(id, incident.Closed, incident.ResourceGone)
	})
}

// TestAClockThatGoesBackPutsOffNoAlert: the clock goes back by two days. The alerts of an event that was
// recorded before are not two days late.
func TestAClockThatGoesBackPutsOffNoAlert(t *testing.T) {
	t.Parallel()
	s := newScene(t)
	a, b := s.protectTwo()
	s.world.RemoveDestination("arn:aws:s3:::other")
	s.deliver(s.attack(a, b))
	s.now = s.now.Add(-48 * time.Hour)
	s.advance(time.Hour)
	s.wantState(a, incident.Verified, "")
	s.wantAlerts(alert.Restored, 1) // of a alone
	s.wantAlerts(alert.Blocked, 1)
}

// TestWhatWillNotComeIsForeseenByEachMessage: two messages name the same flow log, and the one that began first
// is committed last. Both deletion alerts must say that the flow log will not be restored.
func TestWhatWillNotComeIsForeseenByEachMessage(t *testing.T) {
	t.Parallel()
	s := configured(t, func(p *incident.Policy) { p.AlertOnly = true })
	id := s.protect(1)[0]
	first := s.attack(id)
	s.deliver(s.record(id))
	s.now = s.now.Add(-time.Millisecond)
	s.deliver(first)
	for _, a := range s.alerts(alert.Deletion) {
		if a.FlowLogs[0].Foreseen != string(incident.AlertOnly) {
			t.Errorf("%s promises a restore: %s", a.EventID, a.Text)
		}
	}
}
