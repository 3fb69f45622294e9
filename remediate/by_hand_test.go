package remediate_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"flowkeeper/alert"
	"flowkeeper/remediate/incident"
)

func TestRestoreByHand(t *testing.T) {
	t.Parallel()
	s, id := protectedOne(t)
	s.policy.AlertOnly = true
	s.crash()
	s.release(time.Hour)
	s.attackAndReconcile(id)
	s.wantState(id, incident.Closed, incident.Released)
	i, alive, err := s.r.RestoreByHand(t.Context(), scope, id)
	if err != nil || alive || i.State != incident.Restored {
		t.Fatalf("%+v, %v, %v", i, alive, err)
	}
	s.wantRestored("vpc-1")
	if _, alive, err := s.r.RestoreByHand(t.Context(), scope, i.NewID); err != nil || !alive {
		t.Errorf("restoring a live flow log: alive %v, error %v", alive, err)
	}
	if _, _, err := s.r.RestoreByHand(t.Context(), scope, "fl-0000dead"); err == nil {
		t.Error("restoring a flow log that AWS never showed: no error")
	}
}

// TestRestoreByHandAfterTheClockWentBack: one call of RestoreByHand is enough, though the times in the incident
// are a day ahead of the clock.
func TestRestoreByHandAfterTheClockWentBack(t *testing.T) {
	t.Parallel()
	s, id := protectedOne(t)
	s.world.Deny("flowkeeper", "CreateFlowLogs")
	s.attackAndReconcile(id)
	s.wantState(id, incident.Blocked, incident.Permission)
	s.world.Allow("flowkeeper", "CreateFlowLogs")
	s.now = s.now.Add(-24 * time.Hour)
	s.r.Now = func() time.Time { // time passes
		s.now = s.now.Add(time.Millisecond)
		return s.now
	}
	if i, _, err := s.r.RestoreByHand(t.Context(), scope, id); err != nil || i.State != incident.Restored {
		t.Errorf("%s %s, %v", i.State, i.Reason, err)
	}
}

// TestWhatIsBackIsLeftAlone: a person asks for a flow log that is already restored and verified. Nothing is
// created, and the restorer does not work on the incident again and again.
func TestWhatIsBackIsLeftAlone(t *testing.T) {
	t.Parallel()
	s, id := protectedOne(t)
	s.deliver(s.attack(id))
	s.advance(time.Hour)
	s.wantState(id, incident.Verified, "")
	i, _, err := s.r.RestoreByHand(t.Context(), scope, id)
	if s.must(err); i.State != incident.Verified {
		t.Errorf("%+v", i)
	}
	s.setDue(id, 0) // as an older version stored it
	c := s.answering(&calls{})
	for range 10 {
		s.reconcile()
		s.now = s.now.Add(time.Second)
	}
	if n := c.describes.Load(); n > 1 || s.creates() != 1 {
		t.Errorf("%d observations and %d creates, want at most 1 and 1", n, s.creates())
	}
}

// TestI7WhatAPersonAskedForResolves: a restore by hand is blocked at first. When the flow log is back, the pager
// is resolved.
func TestI7WhatAPersonAskedForResolves(t *testing.T) {
	t.Parallel()
	s, id := protectedOne(t)
	s.world.Deny("flowkeeper", "CreateFlowLogs")
	s.attack(id)
	_, _, err := s.r.RestoreByHand(t.Context(), scope, id)
	s.must(err)
	s.wantState(id, incident.Blocked, incident.Permission)
	s.world.Allow("flowkeeper", "CreateFlowLogs")
	s.advance(time.Hour)
	s.wantState(id, incident.Verified, "")
	s.wantResolved()
}

// TestCloseReleased: if an operator releases a flow log that is blocked, the incident and the pager are closed,
// and no later record or refresh opens them again. A person can still restore it by hand.
func TestCloseReleased(t *testing.T) {
	t.Parallel()
	s, id := protectedOne(t)
	s.world.RemoveDestination(bucket)
	attack := s.attack(id)
	s.deliver(attack)
	s.advance(time.Hour)
	s.wantState(id, incident.Blocked, incident.Destination)
	if done, err := s.r.CloseReleased(t.Context(), scope, id, "the bucket is gone"); !done || err != nil {
		t.Fatal(done, err)
	}
	i := s.wantState(id, incident.Closed, incident.Released)
	if i.Advice != "an operator released it: the bucket is gone" {
		t.Errorf("the advice is %q", i.Advice)
	}
	s.wantResolved()
	s.world.AddDestination(bucket)
	s.deliver(attack, s.record(id))
	s.refresh()
	s.advance(3 * time.Hour)
	s.wantState(id, incident.Closed, incident.Released)
	s.wantResolved()
	if done, err := s.r.CloseReleased(t.Context(), scope, id, ""); done || err != nil {
		t.Error(done, err)
	}
	if _, _, err := s.r.RestoreByHand(t.Context(), scope, id); err != nil {
		t.Fatal(err)
	}
	s.wantState(id, incident.Restored, "")
	s.wantRestored("vpc-1")
}

// TestI4ByHandWhatWasLostInTurn: a person asks for a flow log whose replacement was lost, too. Nothing is
// created for the first one: the advice names the replacement, whose own incident goes on. So one flow log comes
// back.
func TestI4ByHandWhatWasLostInTurn(t *testing.T) {
	t.Parallel()
	s, id := protectedOne(t)
	s.world.AllowDuplicates(true)
	s.attackAndReconcile(id)
	second := s.wantState(id, incident.Restored, "").NewID
	s.attackAndReconcile(second)
	s.advance(2 * time.Minute)
	s.wantState(id, incident.Closed, incident.Superseded)
	s.attackAndReconcile(s.wantState(second, incident.Restored, "").NewID)
	if i, alive, err := s.r.RestoreByHand(t.Context(), scope, id); err != nil || alive || !strings.Contains(i.Advice, second) {
		t.Errorf("%t, %v: %s %s %s", alive, err, i.State, i.Reason, i.Advice)
	}
	s.advance(time.Hour)
	s.wantRestored("vpc-1")
}

// TestI9ARequestIsOverdueByItself: a wait rule delays a restore for hours, but a person asks for the flow log
// before. If it is not back five minutes after the request, there is an alert then, and not only after the wait.
func TestI9ARequestIsOverdueByItself(t *testing.T) {
	t.Parallel()
	s, id := protectedOne(t)
	s.policy.Rules = []incident.Rule{{Principal: "*", Action: incident.Wait, Wait: 3 * time.Hour}}
	s.crash()
	s.attackAndReconcile(id)
	s.advance(time.Hour)
	s.world.Throttle("CreateFlowLogs", 1<<30)
	s.r.Pause = func(_ context.Context, d time.Duration) bool { s.now = s.now.Add(d); return true }
	if _, _, err := s.r.RestoreByHand(t.Context(), scope, id); err != nil {
		t.Fatal(err)
	}
	s.wantState(id, incident.Open, "")
	s.advance(4 * time.Minute)
	s.wantAlerts(alert.Blocked, 0)
	s.advance(time.Minute + 5*time.Second)
	s.wantAlerts(alert.Blocked, 1)
}

// TestI4ByHandWhatAWSDoesNotShowYet: a person asks for a replacement that was created a moment ago, and AWS
// still answers with the state before. No second flow log may be created: the request is refused until AWS must
// show the replacement.
func TestI4ByHandWhatAWSDoesNotShowYet(t *testing.T) {
	t.Parallel()
	s, id := protectedOne(t)
	s.world.AllowDuplicates(true)
	s.attackAndReconcile(id)
	second := s.wantState(id, incident.Restored, "").NewID
	s.world.SetConsistencyDelay(time.Minute)
	s.now = s.now.Add(30 * time.Second)
	if _, _, err := s.r.RestoreByHand(t.Context(), scope, second); !errors.Is(err, incident.ErrYoung) {
		t.Errorf("%v, want ErrYoung", err)
	}
	s.wantRestored("vpc-1")
	s.advance(2 * time.Minute)
	s.attack(second)
	s.advance(2 * time.Minute)
	i, alive, err := s.r.RestoreByHand(t.Context(), scope, second)
	if err != nil || alive || i.State != incident.Restored {
		t.Fatalf("%+v, %v, %v", i, alive, err)
	}
	s.wantRestored("vpc-1")
}
