package remediate_test

import (
	"testing"
	"time"

	"flowkeeper/alert"
	"flowkeeper/remediate/incident"
)

// TestAClockThatGoesBack: what was to be done in a minute is not put off until
// the clock is there again.
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

// TestAClockThatLeapsForward: what then seems old enough to be believed is
// observed once more before anything is made.
func TestAClockThatLeapsForward(t *testing.T) {
	t.Parallel()
	s, ids := protected(t, 1)
	s.deliver(s.record(ids[0])) // of a flow log that is alive
	s.reconcile()
	s.now = s.now.Add(24 * time.Hour)
	s.advance(time.Hour)
	s.wantState(ids[0], incident.Closed, incident.StillThere)
	if s.wantRestored("vpc-1").ID != ids[0] || s.creates() != 0 {
		t.Error("something was made")
	}
}

// TestAClockThatWasAhead: what was learned then, and what waits since then, is
// not put off until it is that late.
func TestAClockThatWasAhead(t *testing.T) {
	t.Parallel()
	const ahead = 10 * 24 * time.Hour
	t.Run("a row", func(t *testing.T) {
		t.Parallel()
		s := newScene(t)
		id := s.plant("vpc-1", nil)
		s.now = s.now.Add(ahead)
		s.refresh()
		s.now = s.now.Add(time.Hour - ahead)
		s.refresh()
		s.attack(id) // and no event
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

// TestAClockThatGoesBackPutsOffNoAlert for as long.
func TestAClockThatGoesBackPutsOffNoAlert(t *testing.T) {
	t.Parallel()
	s := newScene(t)
	a, b := s.protectTwo()
	s.world.RemoveDestination("arn:aws:s3:::other")
	s.deliver(s.attack(a, b))
	s.now = s.now.Add(-48 * time.Hour)
	s.advance(time.Hour)
	s.wantState(a, incident.Verified, "")
	s.wantAlerts(alert.Restored, 1) // one is back
	s.wantAlerts(alert.Blocked, 1)
}

// TestWhatWillNotComeIsForeseenByEachMessage: of two messages that name the same flow
// log, the one that began first may be written last.
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
