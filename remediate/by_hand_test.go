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
		t.Errorf("of one that is alive: %v, %v", alive, err)
	}
	if _, _, err := s.r.RestoreByHand(t.Context(), scope, "fl-0000dead"); err == nil {
		t.Error("of one that was never seen: no error")
	}
}

// TestRestoreByHandAfterTheClockWentBack: one call is enough.
func TestRestoreByHandAfterTheClockWentBack(t *testing.T) {
	t.Parallel()
	s, id := protectedOne(t)
	s.world.Deny("flowkeeper", "CreateFlowLogs")
	s.attackAndReconcile(id)
	s.wantState(id, incident.Blocked, incident.Permission)
	s.world.Allow("flowkeeper", "CreateFlowLogs")
	s.now = s.now.Add(-24 * time.Hour)
	s.r.Now = func() time.Time { // each question takes a moment
		s.now = s.now.Add(time.Millisecond)
		return s.now
	}
	if i, _, err := s.r.RestoreByHand(t.Context(), scope, id); err != nil || i.State != incident.Restored {
		t.Errorf("%s %s, %v", i.State, i.Reason, err)
	}
}

// TestWhatIsBackIsLeftAlone: a person asks for what a step has restored
// meanwhile.
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
	s.setDue(id, 0) // as an older version left it
	c := s.answering(&calls{})
	for range 10 {
		s.reconcile()
		s.now = s.now.Add(time.Second)
	}
	if n := c.describes.Load(); n > 1 || s.creates() != 1 {
		t.Errorf("%d looks and %d creates", n, s.creates())
	}
}

// TestI7WhatAPersonAskedForResolves: blocked, and back later.
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

// TestCloseReleased: what nobody wants back is over, for the pager as well, and no later
// record brings it back; a person may.
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
		t.Errorf("it says %q", i.Advice)
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

// TestI4ByHandWhatWasLostInTurn: while a person asks for a flow log, a step restores it, and the replacement is
// lost, too. That one alone comes back.
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

// TestI9ARequestIsOverdueByItself: a rule waits for hours, and a person does not. What that person asked for, and
// is not back after five minutes, is alerted then, and not after the wait.
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

// TestI4ByHandWhatAWSDoesNotShowYet: a person asks for what is back for a moment only, and AWS answers with what
// was before. It makes no second one. Once AWS has had its time, a person may ask for it.
func TestI4ByHandWhatAWSDoesNotShowYet(t *testing.T) {
	t.Parallel()
	s, id := protectedOne(t)
	s.world.AllowDuplicates(true)
	s.attackAndReconcile(id)
	second := s.wantState(id, incident.Restored, "").NewID
	s.world.SetConsistencyDelay(time.Minute)
	s.now = s.now.Add(30 * time.Second)
	if _, _, err := s.r.RestoreByHand(t.Context(), scope, second); !errors.Is(err, incident.ErrYoung) {
		t.Errorf("%v, want that it is too young", err)
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
