package remediate_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"flowkeeper/alert"
	"flowkeeper/internal/fakeaws"
	"flowkeeper/internal/fakeaws/fakeawstest"
	"flowkeeper/inventory"
	"flowkeeper/remediate/incident"
)

func TestDeletedByEvent(t *testing.T) {
	t.Parallel()
	s, id := protectedOne(t)
	s.attackAndReconcile(id)
	i := s.wantState(id, incident.Restored, "")
	f := s.wantRestored("vpc-1")
	if f.ID != i.NewID || f.Tags[incident.RestoredFrom] != id || i.Actor.ARN != mallory || i.Source != incident.ByEvent {
		t.Errorf("incident %+v, flow log %+v", i, f)
	}
	if s.row(id).State != inventory.Gone || s.row(f.ID).RootID != id || !s.row(f.ID).Protected {
		t.Error("I6: the lost flow log is not gone in the snapshot, or its replacement is not protected there in the same lineage")
	}
	s.wantAlertCounts(map[alert.Kind]int{alert.Deletion: 1, alert.Restored: 1})
	s.advance(11 * time.Minute)
	s.wantState(id, incident.Verified, "")
	s.wantAlertCounts(map[alert.Kind]int{alert.Deletion: 1, alert.Restored: 1, alert.Closed: 1})
	if s.creates() != 1 {
		t.Errorf("%d creates", s.creates())
	}
}

func TestI4TheSameRecordAgainChangesNothing(t *testing.T) {
	t.Parallel()
	s, ids := protected(t, 5)
	f := s.attack(ids...)
	for range 3 {
		s.deliver(f, f)
		s.reconcile()
	}
	s.crash()
	s.deliver(f)
	s.advance(12 * time.Minute)
	for n := range ids {
		s.wantRestored("vpc-" + string(rune('1'+n)))
	}
	if s.creates() != 1 {
		t.Errorf("%d creates for 5 equal flow logs, want 1", s.creates())
	}
	s.wantAlertCounts(map[alert.Kind]int{alert.Deletion: 1, alert.Restored: 1, alert.Closed: 1})
}

// TestAFlowLogMadeAndDeletedBetweenRefreshes: no refresh has listed the flow log. The record of its
// CreateFlowLogs call makes it known, so that it can be restored.
func TestAFlowLogMadeAndDeletedBetweenRefreshes(t *testing.T) {
	t.Parallel()
	s, _ := protectedOne(t)
	id := s.plant("vpc-9", nil)
	s.deliver(s.recordOfCreate(id))
	if s.row(id).CreatedBy != mallory {
		t.Errorf("created by %q", s.row(id).CreatedBy)
	}
	s.attackAndReconcile(id)
	s.wantState(id, incident.Restored, "")
	s.wantRestored("vpc-9")
}

func TestI6TheReplacementIsProtectedAtOnce(t *testing.T) {
	t.Parallel()
	s, id := protectedOne(t)
	s.attackAndReconcile(id)
	second := s.wantRestored("vpc-1").ID
	s.attackAndReconcile(second)
	s.wantState(second, incident.Restored, "")
	if f := s.wantRestored("vpc-1"); s.row(f.ID).RootID != id {
		t.Error("the lineage is lost")
	}
	s.advance(12 * time.Minute)
	s.wantState(id, incident.Closed, incident.Superseded)
	s.wantState(second, incident.Verified, "")
	s.wantRestored("vpc-1")
}

func TestI3AdoptsWhatSomebodyElseMade(t *testing.T) {
	t.Parallel()
	s, id := protectedOne(t)
	f := s.attack(id)
	other := s.plant("vpc-1", nil)
	s.deliver(f)
	s.reconcile()
	if i := s.wantState(id, incident.Restored, ""); i.NewID != other || !i.Adopted {
		t.Errorf("incident %+v", i)
	}
	if s.creates() != 0 || s.row(other).RootID != id {
		t.Error("want no create, and the other flow log in the lineage of the lost one")
	}
}

func TestI9BlockedHealsByItself(t *testing.T) {
	t.Parallel()
	for reason, c := range map[incident.Reason]struct{ breakIt, mend func(*fakeawstest.World) }{
		incident.Permission:  {func(w *fakeawstest.World) { w.Deny("flowkeeper", "CreateFlowLogs") }, func(w *fakeawstest.World) { w.Allow("flowkeeper", "CreateFlowLogs") }},
		incident.Destination: {func(w *fakeawstest.World) { w.RemoveDestination(bucket) }, func(w *fakeawstest.World) { w.AddDestination(bucket) }},
	} {
		t.Run(string(reason), func(t *testing.T) {
			t.Parallel()
			s, id := protectedOne(t)
			c.breakIt(s.world)
			s.attackAndReconcile(id)
			if i := s.wantState(id, incident.Blocked, reason); i.Advice == "" {
				t.Error("no advice")
			}
			s.advance(2 * time.Hour)
			s.wantAlertCounts(map[alert.Kind]int{alert.Deletion: 1, alert.Blocked: 1})
			if n := s.creates(); n < 8 || n > 20 {
				t.Errorf("%d tries in two hours", n)
			}
			s.advance(23 * time.Hour)
			s.wantAlertCounts(map[alert.Kind]int{alert.Deletion: 1, alert.Blocked: 2})
			c.mend(s.world)
			s.advance(16 * time.Minute)
			s.wantRestored("vpc-1")
		})
	}
}

func TestI9ThrottledIsRetried(t *testing.T) {
	t.Parallel()
	s, id := protectedOne(t)
	s.world.Throttle("CreateFlowLogs", 3)
	s.world.Fail("DescribeFlowLogs", 2, "InternalError", 500)
	s.deliver(s.attack(id))
	s.advance(5 * time.Minute)
	s.wantState(id, incident.Restored, "")
	s.wantRestored("vpc-1")
	s.wantAlertCounts(map[alert.Kind]int{alert.Deletion: 1, alert.Restored: 1})
}

// TestLastErrorIsKept: an incident shows AWS's last answer while it is tried again and while it is blocked. It
// shows none once the flow log is restored.
func TestLastErrorIsKept(t *testing.T) {
	t.Parallel()
	for code, want := range map[string]incident.State{"InternalError": incident.Open, "UnauthorizedOperation": incident.Blocked} {
		s, id := protectedOne(t)
		s.world.Fail("CreateFlowLogs", 1, code, 400)
		s.attackAndReconcile(id)
		if i := s.incident(id); i.State != want || !strings.HasPrefix(i.LastError, code) {
			t.Errorf("%s: %s, %q", code, i.State, i.LastError)
		}
		s.advance(5 * time.Minute)
		if i := s.wantState(id, incident.Restored, ""); i.LastError != "" {
			t.Errorf("%s: restored, %q", code, i.LastError)
		}
	}
}

// TestI4ALostAnswerIsNoSecondFlowLog: the answers to two creates are lost, and this AWS allows two equal flow
// logs. So only the observation and the ClientToken prevent a second flow log.
func TestI4ALostAnswerIsNoSecondFlowLog(t *testing.T) {
	t.Parallel()
	s := newScene(t)
	s.world.AllowDuplicates(true)
	id := s.protect(1)[0]
	s.world.SetConsistencyDelay(30 * time.Second) // so observations do not show the created flow log yet
	s.world.LoseAnswers("CreateFlowLogs", 2)
	f := s.attack(id)
	s.deliver(f)
	s.advance(time.Minute)
	s.crash()
	s.advance(12 * time.Minute)
	s.wantState(id, incident.Verified, "")
	s.wantRestored("vpc-1")
}

func TestI8UnknownIDsAskForARefresh(t *testing.T) {
	t.Parallel()
	s, _ := protectedOne(t)
	s.deliver(s.record())
	if !slices.Equal(s.soon, []inventory.Scope{scope}) {
		t.Errorf("refreshes asked for: %v", s.soon)
	}
	s.wantAlertCounts(map[alert.Kind]int{alert.Deletion: 1})
}

func TestAnotherAccountsRecordIsNotOurs(t *testing.T) {
	t.Parallel()
	s := newScene(t)
	f := s.record(s.protect(1)[0])
	f.Record.Account = "999988887777"
	s.deliver(f, f)
	s.wantAlertCounts(nil)
}

func TestAnAttemptIsAlerted(t *testing.T) {
	t.Parallel()
	s, id := protectedOne(t)
	f := s.record(id)
	f.Record.ErrorCode = "Client.UnauthorizedOperation"
	f = s.judge(f.Record)
	s.deliver(f, f)
	s.advance(time.Minute)
	s.wantAlertCounts(map[alert.Kind]int{alert.Attempt: 1})
	if a := s.alerts(alert.Attempt)[0]; a.Level != alert.High || a.RaisedBy[0] != alert.WholeVPC || a.DeletedAt != nil || a.FailedFlowLogs[0].ResourceID != "vpc-1" || a.FailedFlowLogs[0].ErrorCode == "" {
		t.Errorf("alert %+v", a)
	}
}

// TestTwoDeletionsMakeAVPCDark: both flow logs of a VPC are deleted, one call after the other, and AWS still
// shows the first one. The second alert must say that the VPC is dark.
func TestTwoDeletionsMakeAVPCDark(t *testing.T) {
	t.Parallel()
	s := newScene(t)
	a := s.plant("vpc-1", nil)
	b := s.plant("vpc-1", func(f *fakeaws.FlowLog) { f.LogDestination = bucket + "/b/" })
	s.refresh()
	s.now = s.now.Add(time.Hour)
	s.deliver(s.attack(a))
	s.deliver(s.attack(b))
	all := s.alerts(alert.Deletion)
	if len(all) != 2 || all[1].Level != alert.Critical {
		t.Errorf("%d alerts, want 2; the second has level %v, raised by %v, want critical", len(all), all[1].Level, all[1].RaisedBy)
	}
}
