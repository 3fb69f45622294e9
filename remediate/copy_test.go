package remediate_test

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"flowkeeper/alert"
	"flowkeeper/internal/store"
	"flowkeeper/inventory"
	"flowkeeper/remediate/incident"
)

// TestI2AnOldCopyOnlyAlerts: an old copy became the state file. It has flow logs that were deleted for good
// since the copy was made. If its first refresh does not find one, there is an alert and no restore, unless a
// record of the deletion comes. A flow log that later refreshes lack is restored as usual.
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

// TestReopenedWithWhatAWSHasShownSince: an incident was closed because the flow log was alive. If the flow log
// is deleted later, it is restored with the settings that AWS has shown since, and not with those of the closed
// incident.
func TestReopenedWithWhatAWSHasShownSince(t *testing.T) {
	t.Parallel()
	s, id := protectedOne(t)
	s.deliver(s.record(id)) // forged: the flow log is alive
	s.advance(3 * time.Minute)
	s.wantState(id, incident.Closed, incident.StillThere)
	s.changeIncident(id, func(i *incident.Incident) { i.Frozen.LogDestination = "arn:aws:s3:::elsewhere" }) // as a copy of the state file could have it
	s.deliver(s.attack(id))
	s.advance(time.Minute)
	s.wantRestored("vpc-1")
}

// TestAnAdoptedCopyMakesNoFalseAlarms: a flow log that was restored, released or closed in the copy stays so,
// even if a listing of the time before the deletion still shows it.
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
	s.world.SetConsistencyDelay(90 * time.Second) // the listing is of the time before the deletion
	s.refresh()
	s.world.SetConsistencyDelay(0)
	for range 12 {
		s.advance(5 * time.Minute)
		s.refresh()
	}
	s.wantState(ids[0], incident.Verified, "")
	s.wantState(ids[1], incident.Closed, incident.Released)
	if got := len(s.flowLogsOn("vpc-1")) + len(s.flowLogsOn("vpc-2")) + len(s.flowLogsOn("vpc-3")); got != before || len(s.flowLogsOn("vpc-1")) != 1 || s.creates() != 1 {
		t.Errorf("%d flow logs, want %d; %d creates, want 1", got, before, s.creates())
	}
}

// TestAnAdoptedCopyLeavesNothingDarkInSilence: a copy may say that people were alerted of a flow log that is not
// back, or may lack the event that an alert needs. They are alerted all the same.
func TestAnAdoptedCopyLeavesNothingDarkInSilence(t *testing.T) {
	t.Parallel()
	for _, hasEvent := range []bool{true, false} {
		s, id := protectedOne(t)
		s.world.Deny("flowkeeper", "CreateFlowLogs")
		s.deliver(s.attack(id))
		s.advance(time.Minute)
		s.changeEvent(s.incident(id).EventID, func(e *incident.Event) {
			e.ClosedAlertedAt, e.Deadline, e.StuckAt, e.OverdueAt = s.now, time.Time{}, time.Time{}, time.Time{}
		})
		s.changeIncident(id, func(i *incident.Incident) {
			i.StuckAlertedAt = s.now.Add(1000 * time.Hour)
			if !hasEvent {
				i.EventID = "another"
			}
		})
		before := len(s.alerts(alert.Blocked))
		s.adopt(store.Adoption{Now: s.now, Made: s.now, Stale: 48 * time.Hour})
		s.refresh()
		s.advance(20 * time.Minute)
		if n := len(s.alerts(alert.Blocked)); n != before+1 {
			t.Errorf("the copy has the event: %v; %d blocked alerts, want %d", hasEvent, n, before+1)
		}
		s.world.Allow("flowkeeper", "CreateFlowLogs")
		s.advance(time.Hour)
		s.refresh()
		s.advance(time.Hour)
		s.wantRestored("vpc-1")
		if len(s.alerts(alert.Closed)) != 1 {
			t.Errorf("the copy has the event: %v; %d closed alerts, want 1", hasEvent, len(s.alerts(alert.Closed)))
		}
	}
}

// TestI2ForgedRestoresOfACopyHoldNothingBack: a forged copy of the state file says that the lineage of a live flow log was
// restored five times just now, or will be. When the flow log is deleted after the adoption, it is restored at once.
func TestI2ForgedRestoresOfACopyHoldNothingBack(t *testing.T) {
	t.Parallel()
	for name, restored := range map[string]time.Duration{"just now": 0, "in the future": 1000 * time.Hour} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s, id := protectedOne(t)
			live := s.row(id)
			s.must(s.store.Update(t.Context(), func(tx *store.Tx) error {
				for n := range 5 {
					r := live
					r.ID, r.State = fmt.Sprintf("fl-f000000000000000%d", n), inventory.Gone
					i := incident.Incident{Scope: scope, FlowLogID: r.ID, RootID: live.RootID, ResourceID: live.ResourceID, Known: true, State: incident.Restored, NewID: id,
						Frozen: live.Settings, RestoredAt: s.now.Add(restored), NextAttemptAt: s.now, EventID: "forged", Source: incident.ByEvent, DetectedAt: s.now, OpenedAt: s.now}
					if err := errors.Join(tx.PutFlowLog(r), tx.PutIncident(i)); err != nil {
						return err
					}
				}
				return nil
			}))
			s.adopt(store.Adoption{Now: s.now, Made: s.now, Stale: 48 * time.Hour})
			s.refresh()
			s.advance(5 * time.Minute)
			s.attackAndReconcile(id)
			if i := s.incident(id); i.State != incident.Restored || len(s.alerts(alert.Flapping)) > 0 {
				t.Errorf("%s, flapping: %v, next attempt in %s", i.State, i.Flapping, i.NextAttemptAt.Sub(s.now))
			}
		})
	}
}
