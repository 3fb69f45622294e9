package remediate_test

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/ec2"

	"flowkeeper/alert"
	"flowkeeper/internal/detection"
	"flowkeeper/inventory"
	"flowkeeper/remediate/incident"
)

const ci = "arn:aws:iam::111122223333:role/ci"

// TestI2ATimeWithinAnOldReleaseReleasesNothing: a forged record has an event time within a release that is over.
// It comes before the real record, and before or after the incident is decided. The flow log is restored.
func TestI2ATimeWithinAnOldReleaseReleasesNothing(t *testing.T) {
	t.Parallel()
	for _, decided := range []bool{false, true} {
		t.Run(fmt.Sprintf("decided before the real record: %t", decided), func(t *testing.T) {
			t.Parallel()
			s, id := protectedOne(t)
			s.release(time.Hour)
			within := s.now.Add(10 * time.Minute)
			s.now = s.now.Add(5 * time.Hour)
			s.refresh()
			real := s.attack(id)
			forged := s.record(id)
			forged.Record.EventTime = within
			s.deliver(forged)
			if decided {
				s.reconcile()
				s.wantState(id, incident.Closed, incident.Released)
			}
			s.deliver(real)
			s.reconcile()
			s.wantState(id, incident.Restored, "")
			s.wantRestored("vpc-1")
		})
	}
}

// TestI2AYoungFlowLogIsNotForgotten: a forged record says that a principal whom a rule ignores has deleted a
// flow log, which is so young that an observation does not show it yet. The flow log must not count as gone: its
// real loss is restored later.
func TestI2AYoungFlowLogIsNotForgotten(t *testing.T) {
	t.Parallel()
	s := ruled(t, ci, incident.Ignore, 0)
	s.protect(1)
	young := s.plant("vpc-2", nil)
	s.deliver(s.recordOfCreate(young))
	s.now = s.now.Add(2 * time.Second)
	s.world.SetConsistencyDelay(10 * time.Second)
	s.deliver(as(s.record(young), ci))
	s.reconcile()
	s.wantState(young, incident.Open, "")
	s.world.SetConsistencyDelay(0)
	s.advance(time.Hour)
	s.wantState(young, incident.Closed, incident.StillThere)
	if r := s.row(young); r.State != inventory.Live {
		t.Fatalf("AWS shows the flow log, and its row is %s", r.State)
	}
	s.attack(young) // its record never comes
	s.refresh()
	s.advance(time.Hour)
	s.wantRestored("vpc-2")
}

// TestI2AForgedRecordOfTheReplacement: a forged record of the deletion of a replacement comes. When the
// replacement is really deleted later, without a record, it is restored, even if a drift is otherwise only
// alerted.
func TestI2AForgedRecordOfTheReplacement(t *testing.T) {
	t.Parallel()
	s := configured(t, func(p *incident.Policy) { p.DriftAlerts = true })
	id := s.protect(1)[0]
	s.attackAndReconcile(id)
	second := s.wantState(id, incident.Restored, "").NewID
	s.deliver(s.record(second))
	s.advance(5 * time.Minute)
	s.wantState(second, incident.Closed, incident.StillThere)
	s.attack(second) // its record never comes
	s.advance(time.Hour)
	s.refresh()
	s.advance(time.Hour)
	s.wantRestored("vpc-1")
}

// TestI2AForgedTwinLowersNothing: a forged record has the event ID of a real deletion. It changes neither the
// level nor the actor of the real deletion's alerts. A forged attempt does not suppress the alert of a real one
// with the same event ID.
func TestI2AForgedTwinLowersNothing(t *testing.T) {
	t.Parallel()
	s := ruled(t, ci, incident.Ignore, 0)
	id := s.protect(1)[0]
	real := s.attack(id)
	forged := as(s.record("fl-0000dead"), ci)
	forged.Record.EventID = real.Record.EventID
	s.deliver(forged)
	s.deliver(real)
	s.reconcile()
	for _, kind := range []alert.Kind{alert.Deletion, alert.Restored} {
		all := s.alerts(kind)
		if a := all[len(all)-1]; a.Actor == nil || a.Actor.ARN != mallory || kind == alert.Deletion && a.Level != alert.Critical {
			t.Errorf("%s of level %s, by %+v", a.Kind, a.Level, a.Actor)
		}
	}
	refused := func(id string) detection.Finding {
		f := s.record(id)
		f.Record.ErrorCode, f.Record.EventID = "Client.UnauthorizedOperation", "attempt"
		return s.judge(f.Record)
	}
	s.deliver(refused("fl-0000dead"))
	s.deliver(refused(id))
	s.wantAlerts(alert.Attempt, 2)
}

// TestI2ForgedRecordsWithoutEnd: 205 forged records name a flow log before it is really deleted. The history
// still has room for how the real deletion ends, and a repeated real record adds no alerts.
func TestI2ForgedRecordsWithoutEnd(t *testing.T) {
	t.Parallel()
	s, id := protectedOne(t)
	for range 205 {
		s.deliver(s.record(id))
		s.now = s.now.Add(time.Second)
	}
	s.advance(time.Hour)
	f := s.attack(id)
	for range 5 {
		s.deliver(f)
		s.advance(15 * time.Minute)
	}
	s.wantState(id, incident.Verified, "")
	for _, kind := range []alert.Kind{alert.Restored, alert.Closed} {
		if n := len(s.alertsOf(kind, f.Record.EventID)); n != 1 {
			t.Errorf("%d %s alerts of one event, want 1", n, kind)
		}
	}
	_, history, _, err := s.store.FindIncident(t.Context(), id)
	if s.must(err); history[len(history)-1].State != incident.Verified {
		t.Errorf("the history ends with %+v", history[len(history)-1])
	}
}

// TestI8ARecordWithoutAScope: a record that names neither account nor Region asks for a refresh of all scopes.
func TestI8ARecordWithoutAScope(t *testing.T) {
	t.Parallel()
	s, _ := protectedOne(t)
	f := s.record()
	f.Record.Account, f.Record.Region = "", ""
	s.deliver(f)
	if len(s.soon) == 0 {
		t.Error("no refresh is asked for")
	}
}

// TestI2AForgedTwinInEverythingButTheActor: a forged record equals the real one, but says that a principal whom
// a rule ignores has deleted the flow log. The real record, which comes later, is alerted and restored.
func TestI2AForgedTwinInEverythingButTheActor(t *testing.T) {
	t.Parallel()
	s := ruled(t, ci, incident.Ignore, 0)
	id := s.protect(1)[0]
	real := s.attack(id)
	forged := as(real, ci)
	s.deliver(forged)
	s.reconcile()
	s.wantState(id, incident.Closed, incident.Exempt)
	s.deliver(real)
	s.deliver(real)
	s.reconcile()
	s.wantState(id, incident.Restored, "")
	s.wantRestored("vpc-1")
	all := s.alerts(alert.Deletion)
	if len(all) != 2 || all[1].Level != alert.Critical || all[1].Actor.ARN != mallory {
		t.Errorf("%+v", all)
	}
}

// TestI2AForgedTwinComesLater: a forged record with the event ID of the real deletion comes after it. All
// further alerts still name the real actor.
func TestI2AForgedTwinComesLater(t *testing.T) {
	t.Parallel()
	s, id := protectedOne(t)
	s.world.Deny("flowkeeper", "CreateFlowLogs")
	real := s.attack(id)
	forged := as(s.record("fl-0000dead"), ci)
	forged.Record.EventID = real.Record.EventID
	s.deliver(real)
	s.deliver(forged)
	s.advance(time.Minute)
	s.world.Allow("flowkeeper", "CreateFlowLogs")
	s.advance(time.Hour)
	for _, kind := range []alert.Kind{alert.Blocked, alert.Restored, alert.Closed} {
		all := s.alerts(kind)
		if a := all[len(all)-1]; a.Actor == nil || a.Actor.ARN != mallory {
			t.Errorf("%s by %+v", a.Kind, a.Actor)
		}
	}
}

// TestI2AForgedTwinOfADrift: a forged record has the event ID that Flowkeeper made for a drift. The drift must
// be alerted all the same.
func TestI2AForgedTwinOfADrift(t *testing.T) {
	t.Parallel()
	s, id := protectedOne(t)
	s.attack(id)
	s.refresh()
	forged := s.record("fl-0000dead")
	forged.Record.EventID = s.incident(id).EventID
	s.deliver(forged)
	s.advance(time.Hour)
	if !s.named(alert.Deletion)[id] {
		t.Errorf("the deletion of %s (%s) was never alerted", id, s.incident(id).State)
	}
}

// TestI2WhatWasReleasedStaysGone: a flow log was deleted while it was released. A record of 30 days later must
// not restore it.
func TestI2WhatWasReleasedStaysGone(t *testing.T) {
	t.Parallel()
	s, id := protectedOne(t)
	s.release(time.Hour)
	s.now = s.now.Add(time.Minute)
	s.deliver(s.attack(id))
	s.advance(30 * 24 * time.Hour)
	s.wantState(id, incident.Closed, incident.Released)
	s.deliver(s.record(id))
	s.advance(time.Hour)
	if n := len(s.flowLogsOn("vpc-1")); n != 0 {
		t.Errorf("%s is back 30 days after its released deletion: %d creates", id, s.creates())
	}
}

func TestI2AForgedRecordDoesNothing(t *testing.T) {
	t.Parallel()
	s, id := protectedOne(t)
	s.deliver(s.record(id, "fl-0000dead"))
	s.advance(time.Minute)
	s.wantState(id, incident.Open, "")
	s.wantState("fl-0000dead", incident.Closed, incident.Unknown)
	s.advance(2 * time.Minute)
	s.wantState(id, incident.Closed, incident.StillThere)
	if s.row(id).State != inventory.Live || s.creates() != 0 {
		t.Error("a forged record had an effect")
	}
	// The real record that comes later must not be ignored.
	s.attackAndReconcile(id)
	s.wantState(id, incident.Restored, "")
	s.wantRestored("vpc-1")
}

func TestI2AForgedTwinOfAnEventIDDoesNotHideTheRealOne(t *testing.T) {
	t.Parallel()
	s, ids := protected(t, 2)
	forged := s.record(ids[0])
	real := s.attack(ids[1])
	real.Record.EventID = forged.Record.EventID
	s.deliver(forged)
	s.deliver(real)
	s.reconcile()
	s.wantState(ids[1], incident.Restored, "")
	s.wantRestored("vpc-2")
	s.wantAlerts(alert.Deletion, 2)
}

func TestI2NothingUnseenIsCreated(t *testing.T) {
	t.Parallel()
	s := newScene(t)
	s.deliver(s.record("fl-0000dead"))
	s.reconcile()
	s.wantState("fl-0000dead", incident.Open, "") // the first refresh may still show the flow log
	s.refresh()
	s.reconcile()
	s.wantState("fl-0000dead", incident.Closed, incident.Unknown)
	if s.creates() != 0 {
		t.Error("a flow log that AWS never showed was created")
	}
	s.wantAlerts(alert.Deletion, 1) // people read all the same who deleted which flow log
}

// shownByAFailedRefresh returns a flow log that a forged record named before AWS showed it. The refresh whose
// first page shows the flow log fails at its second page.
func (s *scene) shownByAFailedRefresh() (young string) {
	s.t.Helper()
	s.protect(1)
	young = s.plant("vpc-2", nil)
	s.deliver(s.record(young))
	s.reconcile()
	s.wantState(young, incident.Closed, incident.Unknown)
	s.world.SetPageSize(2)
	s.plant("vpc-3", nil)
	s.answering(&calls{describe: func(n int, _ *ec2.DescribeFlowLogsInput) (*ec2.DescribeFlowLogsOutput, error) {
		if n == 2 {
			return nil, errors.New("no second page")
		}
		return nil, nil
	}})
	if _, err := s.r.Refresh(s.t.Context(), scope); err == nil {
		s.t.Fatal("the refresh does not fail")
	}
	s.r.Fleet = fleet{scope: s.api}
	return young
}

// TestI2ForgedBeforeAWSShowedIt: a forged record names a flow log that is not in the snapshot yet. The refresh
// that shows the flow log fails later. The real record of its deletion is alerted and restored all the same.
func TestI2ForgedBeforeAWSShowedIt(t *testing.T) {
	t.Parallel()
	s := newScene(t)
	young := s.shownByAFailedRefresh()
	if r := s.row(young); r.State != inventory.Live || !r.Protected {
		t.Fatalf("the first page does not show the flow log: %+v", r)
	}
	real := s.attack(young)
	s.deliver(real)
	s.now = s.now.Add(time.Second)
	s.advance(time.Minute)
	s.wantRestored("vpc-2")
	if a := s.alertsOf(alert.Restored, real.Record.EventID); len(a) != 1 {
		t.Errorf("%d restored alerts, want 1", len(a))
	}
	s.advance(time.Hour)
	s.wantResolved()
}

// TestI2ForgedBeforeADrift: as TestI2ForgedBeforeAWSShowedIt, but no record of the real deletion comes. The next
// refresh finds the loss. It is alerted and restored like any other drift, and the principal whom the forged
// record named is not blamed.
func TestI2ForgedBeforeADrift(t *testing.T) {
	t.Parallel()
	s := newScene(t)
	young := s.shownByAFailedRefresh()
	s.advance(10 * time.Minute)
	s.attack(young)
	s.advance(10 * time.Minute)
	s.refresh()
	s.advance(time.Minute)
	s.wantRestored("vpc-2")
	i := s.wantState(young, incident.Restored, "")
	if i.Source != incident.ByDrift || i.Actor != nil {
		t.Errorf("lost by %s, %+v", i.Source, i.Actor)
	}
	if a := s.alertsOf(alert.Deletion, i.EventID); len(a) != 1 || a[0].Actor != nil {
		t.Errorf("%d alerts of the loss: %+v", len(a), a)
	}
	s.advance(time.Hour)
	s.wantResolved()
}

// TestI2ManyUnknownHideNone: records name 1,200 flow logs that never existed, and one that a refresh shows
// later. The incident of the latter must become known with that refresh.
func TestI2ManyUnknownHideNone(t *testing.T) {
	t.Parallel()
	s := newScene(t)
	s.protect(1)
	young := s.plant("vpc-2", nil)
	s.deliver(s.record(young))
	s.now = s.now.Add(time.Second)
	s.deliver(s.record(madeUpIDs(1000, 0)...), s.record(madeUpIDs(200, 1000)...))
	s.reconcileOnce()
	s.wantState(young, incident.Closed, incident.Unknown)
	s.refresh()
	if i := s.wantState(young, incident.Open, ""); !i.Known {
		t.Error("the incident of the flow log that the refresh showed is still unknown")
	}
}
