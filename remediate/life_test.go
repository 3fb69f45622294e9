package remediate_test

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"flowkeeper/alert"
	"flowkeeper/internal/detection"
	"flowkeeper/internal/fakeaws"
	"flowkeeper/internal/fakeaws/fakeawstest"
	"flowkeeper/inventory"
	"flowkeeper/remediate/incident"
	"flowkeeper/remediate/notify"
)

func TestDeletedByEvent(t *testing.T) {
	t.Parallel()
	s, id := protectedOne(t)
	s.attackAndWork(id)
	i := s.is(id, incident.Restored, "")
	f := s.restored("vpc-1")
	if f.ID != i.NewID || f.Tags[incident.RestoredFrom] != id || i.Actor.ARN != mallory || i.Source != incident.ByEvent {
		t.Errorf("incident %+v, flow log %+v", i, f)
	}
	if s.row(id).State != inventory.Gone || s.row(f.ID).RootID != id || !s.row(f.ID).Protected {
		t.Error("I6: the replacement is in the snapshot, of the same lineage")
	}
	s.told(map[alert.Kind]int{alert.Deletion: 1, alert.Restored: 1})
	s.pass(11 * time.Minute)
	s.is(id, incident.Verified, "")
	s.told(map[alert.Kind]int{alert.Deletion: 1, alert.Restored: 1, alert.Closed: 1})
	if s.creates() != 1 {
		t.Errorf("%d creates", s.creates())
	}
}

func TestI4TheSameRecordAgainChangesNothing(t *testing.T) {
	t.Parallel()
	s := newScene(t)
	ids := s.protect(5)
	f := s.attack(ids...)
	for range 3 {
		s.hear(f, f)
		s.work()
	}
	s.crash()
	s.hear(f)
	s.pass(12 * time.Minute)
	for n := range ids {
		s.restored("vpc-" + string(rune('1'+n)))
	}
	if s.creates() != 1 {
		t.Errorf("%d calls for 5 flow logs that are alike", s.creates())
	}
	s.told(map[alert.Kind]int{alert.Deletion: 1, alert.Restored: 1, alert.Closed: 1})
}

func TestI2AForgedRecordDoesNothing(t *testing.T) {
	t.Parallel()
	s, id := protectedOne(t)
	s.hear(s.record(id, "fl-0000dead"))
	s.pass(time.Minute)
	s.is(id, incident.Open, "")
	s.is("fl-0000dead", incident.Closed, incident.Unknown)
	s.pass(2 * time.Minute)
	s.is(id, incident.Closed, incident.StillThere)
	if s.row(id).State != inventory.Live || s.creates() != 0 {
		t.Error("a forged record had an effect")
	}
	// It does not make us deaf to the real one.
	s.attackAndWork(id)
	s.is(id, incident.Restored, "")
	s.restored("vpc-1")
}

func TestI2AForgedTwinOfAnEventIDDoesNotHideTheRealOne(t *testing.T) {
	t.Parallel()
	s := newScene(t)
	ids := s.protect(2)
	forged := s.record(ids[0])
	real := s.attack(ids[1])
	real.Record.EventID = forged.Record.EventID
	s.hear(forged)
	s.hear(real)
	s.work()
	s.is(ids[1], incident.Restored, "")
	s.restored("vpc-2")
	s.wantAlerts(alert.Deletion, 2)
}

func TestI2NothingUnseenIsCreated(t *testing.T) {
	t.Parallel()
	s := newScene(t)
	s.hear(s.record("fl-0000dead"))
	s.work()
	s.is("fl-0000dead", incident.Open, "") // the first refresh may still know it
	s.refresh()
	s.work()
	s.is("fl-0000dead", incident.Closed, incident.Unknown)
	if s.creates() != 0 {
		t.Error("created what was never seen")
	}
	s.wantAlerts(alert.Deletion, 1) // who deleted what is told all the same
}

// TestAFlowLogMadeAndDeletedBetweenRefreshes is known by its CreateFlowLogs
// record.
func TestAFlowLogMadeAndDeletedBetweenRefreshes(t *testing.T) {
	t.Parallel()
	s := newScene(t)
	s.protect(1)
	id := s.plant("vpc-9", nil)
	s.hear(s.made(id))
	if s.row(id).CreatedBy != mallory {
		t.Errorf("created by %q", s.row(id).CreatedBy)
	}
	s.attackAndWork(id)
	s.is(id, incident.Restored, "")
	s.restored("vpc-9")
}

func TestI6TheReplacementIsProtectedAtOnce(t *testing.T) {
	t.Parallel()
	s, id := protectedOne(t)
	s.attackAndWork(id)
	second := s.restored("vpc-1").ID
	s.attackAndWork(second)
	s.is(second, incident.Restored, "")
	if f := s.restored("vpc-1"); s.row(f.ID).RootID != id {
		t.Error("the lineage is lost")
	}
	s.pass(12 * time.Minute)
	s.is(id, incident.Closed, incident.Superseded)
	s.is(second, incident.Verified, "")
	s.restored("vpc-1")
}

func TestI5DeletedWithoutAnEvent(t *testing.T) {
	t.Parallel()
	s, id := protectedOne(t)
	s.attack(id) // its record never comes
	s.refresh()
	s.work()
	s.is(id, incident.Restored, "") // at once: no rule could excuse it
	s.restored("vpc-1")
	s.told(map[alert.Kind]int{alert.Deletion: 1, alert.Restored: 1})
	s.pass(time.Hour)
	if a := s.alerts(alert.Deletion)[0]; a.Source != incident.ByDrift || a.Actor != nil || a.Level != alert.Critical {
		t.Errorf("alert %+v", a)
	}
}

// TestADriftThatARuleCouldExcuseWaits for its record, whose principal may be one of the
// rule's; the alert does not wait.
func TestADriftThatARuleCouldExcuseWaits(t *testing.T) {
	t.Parallel()
	for name, s := range map[string]*scene{
		"a rule of the user's":     ruled(t, ci, incident.Ignore, 0),
		"the rule for AWS's rules": newScene(t),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			id := s.plant("vpc-1", func(f *fakeaws.FlowLog) { f.Tags[incident.TelemetryTag] = "true" })
			s.refresh()
			s.now = s.now.Add(time.Hour)
			s.attack(id)
			s.refresh()
			s.work()
			s.told(nil)
			s.pass(30 * time.Second)
			s.is(id, incident.Open, "")
			s.told(map[alert.Kind]int{alert.Deletion: 1}) // decided or not
			s.pass(2 * time.Minute)
			s.is(id, incident.Restored, "")
			s.restored("vpc-1")
			s.told(map[alert.Kind]int{alert.Deletion: 1, alert.Restored: 1})
		})
	}
}

// TestDriftWhoseEventComesLater: where people have heard of the drift by then, a
// second alert says who it was, and each has an end.
func TestDriftWhoseEventComesLater(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		after            time.Duration
		waits            bool
		alerts, restored int // where it is back by then, the second deletion alert says so
	}{
		"soon, and a rule could excuse it":  {20 * time.Second, true, 1, 1},
		"later, and a rule could excuse it": {time.Minute, true, 2, 2},
		"soon":                              {time.Second, false, 2, 1},
		"later":                             {time.Minute, false, 2, 1},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			after, alerts := c.after, c.alerts
			s := newScene(t)
			if c.waits {
				s = ruled(t, ci, incident.Wait, time.Hour)
			}
			id := s.protect(1)[0]
			f := s.attack(id)
			s.refresh()
			s.pass(after)
			s.hear(f)
			s.work()
			if i := s.is(id, incident.Restored, ""); i.Source != incident.ByEvent || i.Actor == nil || i.DeletedAt.IsZero() {
				t.Errorf("incident %+v", i)
			}
			s.pass(12 * time.Minute)
			s.told(map[alert.Kind]int{alert.Deletion: alerts, alert.Restored: c.restored, alert.Closed: alerts})
			if a := s.alerts(alert.Deletion); a[alerts-1].Actor == nil {
				t.Errorf("nobody was told who it was: %+v", a)
			}
			s.resolved()
		})
	}
}

func TestI3AdoptsWhatSomebodyElseMade(t *testing.T) {
	t.Parallel()
	s, id := protectedOne(t)
	f := s.attack(id)
	other := s.plant("vpc-1", nil)
	s.hear(f)
	s.work()
	if i := s.is(id, incident.Restored, ""); i.NewID != other || !i.Adopted {
		t.Errorf("incident %+v", i)
	}
	if s.creates() != 0 || s.row(other).RootID != id {
		t.Error("it is adopted, and of the lineage")
	}
}

// TestDriftAdopted: another daemon was faster. One informational alert, and no
// cry of a deletion.
func TestDriftAdopted(t *testing.T) {
	t.Parallel()
	s, id := protectedOne(t)
	s.attack(id)
	s.plant("vpc-1", nil)
	s.refresh()
	s.pass(3 * time.Minute)
	s.is(id, incident.Restored, "")
	s.told(map[alert.Kind]int{alert.Restored: 1})
	if a := s.alerts(alert.Restored)[0]; a.Level != alert.Informational {
		t.Errorf("level %s", a.Level)
	}
}

func TestADecoyBlocksUntilItIsGone(t *testing.T) {
	t.Parallel()
	s, id := protectedOne(t)
	f := s.attack(id)
	decoy := s.plant("vpc-1", func(f *fakeaws.FlowLog) { f.TrafficType = "REJECT" })
	s.hear(f)
	s.work()
	if i := s.is(id, incident.Blocked, incident.Decoy); i.Advice == "" {
		t.Error("no advice")
	}
	s.refresh()
	if s.row(decoy).Protected {
		t.Error("the decoy is protected")
	}
	s.told(map[alert.Kind]int{alert.Deletion: 1, alert.Decoy: 1})
	if a := s.alerts(alert.Decoy)[0]; a.Level != alert.Critical || !slices.Equal(a.FlowLogs[0].DifferencesFound, []string{`traffic_type: "REJECT" instead of "ALL"`}) ||
		!strings.Contains(a.Text, "differs in traffic_type") || !strings.Contains(a.Text, decoy+" is in the way") {
		t.Errorf("%s\n%+v", a.Text, a)
	}
	if s.creates() == 0 {
		t.Error("I3: a decoy does not stop the attempt")
	}
	s.attackAndWork(decoy)
	s.is(id, incident.Restored, "")
	s.restored("vpc-1")
}

func TestI9BlockedHealsByItself(t *testing.T) {
	t.Parallel()
	for reason, c := range map[string]struct{ breakIt, mend func(*fakeawstest.World) }{
		incident.Permission:  {func(w *fakeawstest.World) { w.Deny("flowkeeper", "CreateFlowLogs") }, func(w *fakeawstest.World) { w.Allow("flowkeeper", "CreateFlowLogs") }},
		incident.Destination: {func(w *fakeawstest.World) { w.RemoveDestination(bucket) }, func(w *fakeawstest.World) { w.AddDestination(bucket) }},
	} {
		t.Run(reason, func(t *testing.T) {
			t.Parallel()
			s, id := protectedOne(t)
			c.breakIt(s.world)
			s.attackAndWork(id)
			if i := s.is(id, incident.Blocked, reason); i.Advice == "" {
				t.Error("no advice")
			}
			s.pass(2 * time.Hour)
			s.told(map[alert.Kind]int{alert.Deletion: 1, alert.Blocked: 1})
			if n := s.creates(); n < 8 || n > 20 {
				t.Errorf("%d tries in two hours", n)
			}
			s.pass(23 * time.Hour)
			s.told(map[alert.Kind]int{alert.Deletion: 1, alert.Blocked: 2})
			c.mend(s.world)
			s.pass(16 * time.Minute)
			s.restored("vpc-1")
		})
	}
}

func TestI9ThrottledIsRetried(t *testing.T) {
	t.Parallel()
	s, id := protectedOne(t)
	s.world.Throttle("CreateFlowLogs", 3)
	s.world.Fail("DescribeFlowLogs", 2, "InternalError", 500)
	s.hear(s.attack(id))
	s.pass(5 * time.Minute)
	s.is(id, incident.Restored, "")
	s.restored("vpc-1")
	s.told(map[alert.Kind]int{alert.Deletion: 1, alert.Restored: 1})
}

// TestLastErrorIsKept: who looks at an incident sees what AWS answered, while
// it is tried again and while it is blocked, and nothing once it is restored.
func TestLastErrorIsKept(t *testing.T) {
	t.Parallel()
	for code, want := range map[string]incident.State{"InternalError": incident.Open, "UnauthorizedOperation": incident.Blocked} {
		s, id := protectedOne(t)
		s.world.Fail("CreateFlowLogs", 1, code, 400)
		s.attackAndWork(id)
		if i := s.incident(id); i.State != want || !strings.HasPrefix(i.LastError, code) {
			t.Errorf("%s: %s, %q", code, i.State, i.LastError)
		}
		s.pass(5 * time.Minute)
		if i := s.is(id, incident.Restored, ""); i.LastError != "" {
			t.Errorf("%s: restored, %q", code, i.LastError)
		}
	}
}

// TestI4ALostAnswerIsNoSecondFlowLog, with AWS's own guard switched off: only
// the look and the token prevent the double.
func TestI4ALostAnswerIsNoSecondFlowLog(t *testing.T) {
	t.Parallel()
	s := newScene(t)
	s.world.AllowDuplicates(true)
	id := s.protect(1)[0]
	s.world.SetConsistencyDelay(30 * time.Second) // the look does not show it yet either
	s.world.LoseAnswers("CreateFlowLogs", 2)
	f := s.attack(id)
	s.hear(f)
	s.pass(time.Minute)
	s.crash()
	s.pass(12 * time.Minute)
	s.is(id, incident.Verified, "")
	s.restored("vpc-1")
}

func TestResourceGone(t *testing.T) {
	t.Parallel()
	s, id := protectedOne(t)
	f := s.attack(id)
	s.world.RemoveResource(account, region, "vpc-1")
	s.hear(f)
	s.work()
	s.is(id, incident.Open, "")
	s.pass(time.Minute)
	s.is(id, incident.Open, "")
	s.pass(90 * time.Second)
	s.is(id, incident.Closed, incident.ResourceGone)
	s.told(map[alert.Kind]int{alert.Deletion: 1, alert.Closed: 1})
	if s.creates() != 2 {
		t.Errorf("%d creates", s.creates())
	}
}

// TestAWSRemovesADeadVPCsFlowLogs with no call: informational where that is known
// when people hear of it. Within drift_wait no create may ask.
func TestAWSRemovesADeadVPCsFlowLogs(t *testing.T) {
	t.Parallel()
	for level, prepare := range map[alert.Level]func(*scene){
		alert.Informational: func(*scene) {},
		alert.Critical: func(s *scene) { // a rule could excuse the loss
			s.policy.Rules = []incident.Rule{{Principal: ci, Action: incident.Alert}}
		},
	} {
		t.Run(string(level), func(t *testing.T) {
			t.Parallel()
			s := newScene(t)
			prepare(s)
			s.crash()
			id := s.protect(1)[0]
			s.world.RemoveResource(account, region, "vpc-1")
			s.refresh()
			s.pass(10 * time.Minute)
			s.is(id, incident.Closed, incident.ResourceGone)
			s.told(map[alert.Kind]int{alert.Deletion: 1, alert.Closed: 1})
			if a := s.alerts(alert.Deletion)[0]; a.Level != level {
				t.Errorf("level %s", a.Level)
			}
			s.resolved()
		})
	}
}

func TestRules(t *testing.T) {
	t.Parallel()
	rule := func(a incident.Action) func(*scene) {
		return func(s *scene) {
			s.policy.Rules = []incident.Rule{{Principal: mallory, Action: a, Wait: 10 * time.Minute}}
			s.crash()
		}
	}
	for name, c := range map[string]struct {
		prepare func(*scene)
		state   incident.State
		reason  string
		level   alert.Level
	}{
		"alert":    {rule(incident.Alert), incident.Closed, incident.AlertOnly, alert.High},
		"ignore":   {rule(incident.Ignore), incident.Closed, incident.Exempt, alert.Informational},
		"mode":     {func(s *scene) { s.policy.AlertOnly = true; s.crash() }, incident.Closed, incident.AlertOnly, alert.Critical},
		"released": {func(s *scene) { s.release(time.Hour) }, incident.Closed, incident.Released, alert.Informational},
		"wait":     {rule(incident.Wait), incident.Open, "", alert.High},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s, id := protectedOne(t)
			c.prepare(s)
			s.now = s.now.Add(time.Minute)
			s.hear(s.attack(id))
			s.pass(time.Minute)
			s.is(id, c.state, c.reason)
			if a := s.alerts(alert.Deletion); len(a) != 1 || a[0].Level != c.level {
				t.Errorf("alerts %+v", a)
			}
			if s.creates() != 0 || s.row(id).State != inventory.Gone {
				t.Error("it is gone, and nothing is created")
			}
			if name == "wait" {
				s.pass(10 * time.Minute)
				s.is(id, incident.Restored, "")
				s.restored("vpc-1")
			}
		})
	}
}

// TestWaitReplaced: Terraform destroys and creates another one, elsewhere or at
// the same place, where others deliver to. That one is protected from then on.
func TestWaitReplaced(t *testing.T) {
	t.Parallel()
	for name, change := range map[string]func(*fakeaws.FlowLog){
		"elsewhere":         func(f *fakeaws.FlowLog) { f.LogDestination = "arn:aws:s3:::other" },
		"at the same place": func(f *fakeaws.FlowLog) { f.TrafficType = "REJECT" },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newScene(t)
			id, _ := s.protectTwo()
			s.policy.Rules = []incident.Rule{{Principal: mallory, Action: incident.Wait, Wait: 10 * time.Minute}}
			s.crash()
			s.attackAndWork(id)
			s.pass(time.Minute)
			s.world.AddDestination("arn:aws:s3:::other")
			other := s.plant("vpc-1", change)
			s.hear(s.made(other))
			s.refresh()
			s.pass(10 * time.Minute)
			s.is(id, incident.Closed, incident.Replaced)
			if s.creates() != 0 || len(s.alerts(alert.Decoy)) != 0 {
				t.Error("something was created, or called a decoy")
			}
			if !s.row(other).Protected {
				t.Error("the new one is not protected")
			}
		})
	}
}

// TestWaitAgain: a wait rule waits each time.
func TestWaitAgain(t *testing.T) {
	t.Parallel()
	s := ruled(t, mallory, incident.Wait, 10*time.Minute)
	id := s.protect(1)[0]
	s.hear(s.record(id)) // alive
	s.pass(time.Hour)
	s.is(id, incident.Closed, incident.StillThere)
	s.attackAndWork(id)
	s.is(id, incident.Open, "")
	s.pass(11 * time.Minute)
	s.is(id, incident.Restored, "")
}

func TestI9FlappingNeverStops(t *testing.T) {
	t.Parallel()
	s := newScene(t)
	s.protect(1)
	for range 8 {
		f := s.restored("vpc-1")
		s.attackAndWork(f.ID)
		for n := 0; len(s.here("vpc-1")) == 0; n++ {
			if n > 700 {
				t.Fatal("not restored within eleven minutes: the attacker wins by insisting")
			}
			s.pass(time.Second)
		}
	}
	s.told(map[alert.Kind]int{alert.Deletion: 8, alert.Restored: 8, alert.Flapping: 1,
		alert.Blocked: 2, // the two that were held back for more than five minutes after the first had been told
		alert.Closed:  len(s.alerts(alert.Closed))})
	if s.creates() != 8 {
		t.Errorf("%d creates", s.creates())
	}
}

func TestI1AlertsGoOutEvenIfTheDiskIsFull(t *testing.T) {
	t.Parallel()
	s, id := protectedOne(t)
	attack := s.attack(id)
	s.r.Store = full{s.store.Remediation()}
	err := s.r.Handle(t.Context(), []detection.Finding{attack}, func() {})
	s.r.Wait()
	if !errors.Is(err, errFull) {
		t.Errorf("error %v: the message must stay", err)
	}
	if len(s.direct) != 1 || s.direct[0].Kind != alert.Deletion || s.direct[0].FlowLogs[0].FlowLogID != id || s.direct[0].FlowLogs[0].ResourceID != "vpc-1" {
		t.Fatalf("sent directly: %+v", s.direct)
	}
	if text := s.direct[0].Text; !strings.Contains(text, "restores NOTHING until its state file can be written") {
		t.Errorf("promised while nothing can be stored: %s", text)
	}
	s.r.Store = s.store.Remediation()
	s.hear(attack)
	a := s.alerts(alert.Deletion)
	if len(a) != 1 || a[0].ID == s.direct[0].ID || a[0].DedupKey != s.direct[0].DedupKey {
		t.Fatalf("%+v, and then %+v: a receiver that drops repeats by ID must take both, and a pager open one incident", s.direct, a)
	}
	if !strings.Contains(a[0].Text, "restores it as soon as AWS shows the loss") {
		t.Errorf("the stored one does not say that the restore goes on: %s", a[0].Text)
	}
	if len(a[0].RaisedBy) == 0 || a[0].Level != s.direct[0].Level || !slices.Equal(a[0].RaisedBy, s.direct[0].RaisedBy) {
		t.Errorf("straight it was %s by %v, now it is %s by %v", s.direct[0].Level, s.direct[0].RaisedBy, a[0].Level, a[0].RaisedBy)
	}
}

// TestProgressPastAFullDisk: a message may name so much, and the sinks be so
// slow, that to tell it all takes longer than a hang may.
func TestProgressPastAFullDisk(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := dependent(t)
		s.bubble = true
		beats := &beats{last: time.Now()}
		s.fill()
		s.slow = time.Minute
		fs := []detection.Finding{s.record("fl-00000001"), s.record("fl-00000002"), s.record("fl-00000003")}
		for range 3 {
			fs = append(fs, s.tampering("logs", "DeleteLogGroup", "/vpc/flow", nil))
		}
		begun := time.Now()
		if err := s.r.Handle(t.Context(), fs, beats.beat); err == nil {
			t.Error("acknowledged what is not stored")
		}
		if took, silence := time.Since(begun), beats.longest(); took != 6*time.Minute || silence > time.Minute {
			t.Errorf("it took %s, with nothing for %s", took, silence)
		}
	})
}

func TestI8UnknownIDsAskForARefresh(t *testing.T) {
	t.Parallel()
	s := newScene(t)
	s.protect(1)
	s.hear(s.record())
	if !slices.Equal(s.soon, []inventory.Scope{scope}) {
		t.Errorf("refreshes asked for: %v", s.soon)
	}
	s.told(map[alert.Kind]int{alert.Deletion: 1})
}

func TestAnotherAccountsRecordIsNotOurs(t *testing.T) {
	t.Parallel()
	s := newScene(t)
	f := s.record(s.protect(1)[0])
	f.Record.Account = "999988887777"
	s.hear(f, f)
	s.told(nil)
}

func TestAnAttemptIsTold(t *testing.T) {
	t.Parallel()
	s, id := protectedOne(t)
	f := s.record(id)
	f.Record.ErrorCode = "Client.UnauthorizedOperation"
	f, _ = detection.Judge(f.Record)
	s.hear(f, f)
	s.pass(time.Minute)
	s.told(map[alert.Kind]int{alert.Attempt: 1})
	if a := s.alerts(alert.Attempt)[0]; a.Level != alert.High || a.RaisedBy[0] != notify.WholeVPC || a.DeletedAt != nil || a.FailedFlowLogs[0].ResourceID != "vpc-1" || a.FailedFlowLogs[0].ErrorCode == "" {
		t.Errorf("alert %+v", a)
	}
}

func TestRestoreByHand(t *testing.T) {
	t.Parallel()
	s, id := protectedOne(t)
	s.policy.AlertOnly = true
	s.crash()
	s.release(time.Hour)
	s.attackAndWork(id)
	s.is(id, incident.Closed, incident.Released)
	i, alive, err := s.r.RestoreByHand(t.Context(), scope, id)
	if err != nil || alive || i.State != incident.Restored {
		t.Fatalf("%+v, %v, %v", i, alive, err)
	}
	s.restored("vpc-1")
	if _, alive, err := s.r.RestoreByHand(t.Context(), scope, i.NewID); err != nil || !alive {
		t.Errorf("of one that is alive: %v, %v", alive, err)
	}
	if _, _, err := s.r.RestoreByHand(t.Context(), scope, "fl-0000dead"); err == nil {
		t.Error("of one that was never seen: no error")
	}
}
