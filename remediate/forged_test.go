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

// TestI2ATimeWithinAnOldReleaseReleasesNothing: a forged record that bears it
// comes before the real one, or before the first observation.
func TestI2ATimeWithinAnOldReleaseReleasesNothing(t *testing.T) {
	t.Parallel()
	for _, looked := range []bool{false, true} {
		t.Run(fmt.Sprint(looked), func(t *testing.T) {
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
			if looked {
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

// TestI2AYoungFlowLogIsNotForgotten: a forged record of one who may delete
// names a flow log that not every observation shows yet.
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
		t.Fatalf("AWS shows it, and its row is %s", r.State)
	}
	s.attack(young) // and no event
	s.refresh()
	s.advance(time.Hour)
	s.wantRestored("vpc-2")
}

// TestI2AForgedRecordOfTheReplacement does not loosen what is done about its
// loss, not even where drift only alerts.
func TestI2AForgedRecordOfTheReplacement(t *testing.T) {
	t.Parallel()
	s := configured(t, func(p *incident.Policy) { p.DriftAlerts = true })
	id := s.protect(1)[0]
	s.attackAndReconcile(id)
	second := s.wantState(id, incident.Restored, "").NewID
	s.deliver(s.record(second))
	s.advance(5 * time.Minute)
	s.wantState(second, incident.Closed, incident.StillThere)
	s.attack(second) // and no event
	s.advance(time.Hour)
	s.refresh()
	s.advance(time.Hour)
	s.wantRestored("vpc-1")
}

// TestI2AForgedTwinLowersNothing: neither the level nor the actor of the real
// deletion, nor is a real attempt swallowed.
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

// TestI2ForgedRecordsWithoutEnd leave room for the real one, and for what
// became of it: a record that comes again adds no alert.
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
			t.Errorf("%d alerts %s of one event", n, kind)
		}
	}
	_, history, _, err := s.store.FindIncident(t.Context(), id)
	if s.must(err); history[len(history)-1].State != incident.Verified {
		t.Errorf("the history ends with %+v", history[len(history)-1])
	}
}

// TestI8ARecordWithoutAScope asks for a refresh of all.
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

// TestI2AForgedTwinInEverythingButTheActor: one whom a rule ignores is said to
// have done, in the same event, what somebody else has.
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

// TestI2AForgedTwinComesLater, and does not take over who did it.
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

// TestI2AForgedTwinOfADrift swallows nothing: it bears the ID of an event that
// is ours.
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

// TestI2WhatWasReleasedStaysGone: a record of weeks later is about no loss of it.
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
	// It does not make us deaf to the real one.
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
	s.wantState("fl-0000dead", incident.Open, "") // the first refresh may still know it
	s.refresh()
	s.reconcile()
	s.wantState("fl-0000dead", incident.Closed, incident.Unknown)
	if s.creates() != 0 {
		t.Error("created what was never seen")
	}
	s.wantAlerts(alert.Deletion, 1) // which says all the same who deleted what
}

// shownByAFailedRefresh returns a flow log that a forged record named before AWS showed it. The refresh that
// shows it fails after that.
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

// TestI2ForgedBeforeAWSShowedIt: a forged record names a flow log that the snapshot does not know yet. A
// refresh shows it, and fails after that. The real record counts all the same.
func TestI2ForgedBeforeAWSShowedIt(t *testing.T) {
	t.Parallel()
	s := newScene(t)
	young := s.shownByAFailedRefresh()
	if r := s.row(young); r.State != inventory.Live || !r.Protected {
		t.Fatalf("the first page does not show it: %+v", r)
	}
	real := s.attack(young)
	s.deliver(real)
	s.now = s.now.Add(time.Second)
	s.advance(time.Minute)
	s.wantRestored("vpc-2")
	if a := s.alertsOf(alert.Restored, real.Record.EventID); len(a) != 1 {
		t.Errorf("%d alerts say that it is back", len(a))
	}
	s.advance(time.Hour)
	s.wantResolved()
}

// TestI2ForgedBeforeADrift: as before, but it is deleted without an event. The next refresh alerts of that like of
// any other loss, and blames nobody whom the forged record named.
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

// TestI2ManyUnknownHideNone: what a refresh has shown of the flow logs that records named before is known
// after it, however many more they named that are nowhere.
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
		t.Error("it is unknown")
	}
}
