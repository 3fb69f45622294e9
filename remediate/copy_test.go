package remediate_test

import (
	"testing"
	"time"

	"flowkeeper/alert"
	"flowkeeper/internal/store"
	"flowkeeper/remediate/incident"
)

// TestI2AnOldCopyOnlyAlerts: a state file that came back from an old copy knows
// flow logs that were deleted for good since. What its first refresh does not
// find is alerted and not restored; later drift is restored as ever, and an event
// asks for a restore even of the former.
func TestI2AnOldCopyOnlyAlerts(t *testing.T) {
	t.Parallel()
	s, ids := protected(t, 3)
	s.adopt(store.Adoption{Now: s.now, Stale: time.Hour, Made: s.now.Add(-72 * time.Hour)})
	s.now = s.now.Add(72 * time.Hour)
	s.world.Remove(account, region, ids[0])
	late := s.attack(ids[1])
	s.refresh()
	s.now = s.now.Add(5 * time.Minute)
	s.reconcile()
	for _, id := range ids[:2] {
		s.wantState(id, incident.Closed, incident.AlertOnly)
	}
	s.world.Remove(account, region, ids[2])
	s.refresh()
	s.deliver(late)
	s.now = s.now.Add(5 * time.Minute)
	s.reconcile()
	for _, id := range ids[1:] {
		s.wantState(id, incident.Restored, "")
	}
}

// TestReopenedWithWhatAWSHasShownSince: an incident that ended because the flow
// log was alive is about what is lost now, and not about what was known then.
func TestReopenedWithWhatAWSHasShownSince(t *testing.T) {
	t.Parallel()
	s, id := protectedOne(t)
	s.deliver(s.record(id)) // forged: it is there
	s.advance(3 * time.Minute)
	s.wantState(id, incident.Closed, incident.StillThere)
	s.changeIncident(id, func(i *incident.Incident) { i.Frozen.LogDestination = "arn:aws:s3:::elsewhere" }) // as a copy of the state file could have it
	s.deliver(s.attack(id))
	s.advance(time.Minute)
	s.wantRestored("vpc-1")
}

// TestAnAdoptedCopyMakesNoFalseAlarms: what the copy had as restored, released or
// closed stays so, even if a listing of just after the deletion still shows it.
func TestAnAdoptedCopyMakesNoFalseAlarms(t *testing.T) {
	t.Parallel()
	s, ids := protected(t, 3)
	s.release(time.Hour, ids[1])
	s.now = s.now.Add(time.Second)
	s.deliver(s.attack(ids[0], ids[1]))
	s.advance(time.Second)
	s.wantState(ids[0], incident.Restored, "")
	s.wantState(ids[1], incident.Closed, incident.Released)
	before := len(s.flowLogsOn("vpc-1")) + len(s.flowLogsOn("vpc-2")) + len(s.flowLogsOn("vpc-3"))
	s.adopt(store.Adoption{Now: s.now, Made: s.now, Stale: 48 * time.Hour})
	s.world.SetConsistencyDelay(90 * time.Second) // the listing is of before the deletion
	s.refresh()
	s.world.SetConsistencyDelay(0)
	for range 12 {
		s.advance(5 * time.Minute)
		s.refresh()
	}
	s.wantState(ids[0], incident.Verified, "")
	s.wantState(ids[1], incident.Closed, incident.Released)
	if got := len(s.flowLogsOn("vpc-1")) + len(s.flowLogsOn("vpc-2")) + len(s.flowLogsOn("vpc-3")); got != before || len(s.flowLogsOn("vpc-1")) != 1 || s.creates() != 1 {
		t.Errorf("%d flow logs instead of %d; %d creates", got, before, s.creates())
	}
}

// TestAnAdoptedCopyLeavesNothingDarkInSilence: it may say that there was an alert of
// what is not back, or lack the event that an alert needs.
func TestAnAdoptedCopyLeavesNothingDarkInSilence(t *testing.T) {
	t.Parallel()
	for _, there := range []bool{true, false} {
		s, id := protectedOne(t)
		s.world.Deny("flowkeeper", "CreateFlowLogs")
		s.deliver(s.attack(id))
		s.advance(time.Minute)
		s.changeEvent(s.incident(id).EventID, func(e *incident.Event) {
			e.ClosedAlertedAt, e.DueAt, e.StuckAt, e.OverdueAt = s.now, time.Time{}, time.Time{}, time.Time{}
		})
		s.changeIncident(id, func(i *incident.Incident) {
			i.StuckAlertedAt = s.now.Add(1000 * time.Hour)
			if !there {
				i.EventID = "another"
			}
		})
		before := len(s.alerts(alert.Blocked))
		s.adopt(store.Adoption{Now: s.now, Made: s.now, Stale: 48 * time.Hour})
		s.refresh()
		s.advance(20 * time.Minute)
		if n := len(s.alerts(alert.Blocked)); n != before+1 {
			t.Errorf("event %v: %d alerts after %d", there, n, before)
		}
		s.world.Allow("flowkeeper", "CreateFlowLogs")
		s.advance(time.Hour)
		s.refresh()
		s.advance(time.Hour)
		s.wantRestored("vpc-1")
		if len(s.alerts(alert.Closed)) != 1 {
			t.Errorf("event %v: %d ends", there, len(s.alerts(alert.Closed)))
		}
	}
}
