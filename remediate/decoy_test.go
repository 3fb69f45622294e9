package remediate_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"flowkeeper/alert"
	"flowkeeper/internal/cloudtrail"
	"flowkeeper/internal/fakeaws"
	"flowkeeper/internal/fakeaws/fakeawstest"
	"flowkeeper/internal/store"
	"flowkeeper/inventory"
	"flowkeeper/remediate/incident"
)

func rejects(f *fakeaws.FlowLog) { f.TrafficType = "REJECT" }

// sideBySide are the guards of the fake AWS that allow two flow logs of one resource to one destination: none, and
// the guard by configuration, which refuses only flow logs with equal settings.
var sideBySide = map[string]fakeawstest.Guard{"no guard": fakeawstest.NoGuard, "by configuration": fakeawstest.SameConfiguration}

// TestTwoToOneDestination: where AWS allows two flow logs of one resource to one destination, both are
// protected: if the first refresh finds both, and also if one is created later. If one is deleted, it is
// restored, and the other stays protected.
func TestTwoToOneDestination(t *testing.T) {
	t.Parallel()
	for name, guard := range sideBySide {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newScene(t)
			s.world.Configure(func(e *fakeawstest.EC2Settings) { e.Guard = guard })
			s.plant("vpc-2", rejects)
			ids := s.protect(2)
			s.plant("vpc-1", rejects)
			s.refresh()
			for _, vpc := range []string{"vpc-1", "vpc-2"} {
				for _, f := range s.flowLogsOn(vpc) {
					if !s.row(f.ID).Protected {
						t.Errorf("%s of %s is not protected", f.ID, vpc)
					}
				}
			}
			s.now = s.now.Add(time.Hour)
			second := s.flowLogsOn("vpc-1")
			second = slices.DeleteFunc(second, func(f fakeaws.FlowLog) bool { return f.ID == ids[0] })
			s.deliver(s.attack(ids[0]))
			s.advance(time.Hour)
			if !s.row(second[0].ID).Protected || len(s.flowLogsOn("vpc-1")) != 2 {
				t.Errorf("%+v", s.flowLogsOn("vpc-1"))
			}
			s.deliver(s.attack(second[0].ID))
			s.advance(time.Hour)
			here := s.flowLogsOn("vpc-1")
			if len(here) != 2 || here[0].TrafficType == here[1].TrafficType {
				t.Errorf("%+v", here)
			}
			s.wantAlertCounts(map[alert.Kind]int{alert.Deletion: 2, alert.Restored: 2, alert.Closed: 2})
		})
	}
}

// TestADecoyThatAWSAllows: a flow log that somebody creates in the place of a lost one is not protected while
// the other is lost. Where AWS allows both, the lost one is restored, and then both are protected. A second
// Flowkeeper with other ClientTokens adopts what the first has restored.
func TestADecoyThatAWSAllows(t *testing.T) {
	t.Parallel()
	for name, guard := range sideBySide {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newScene(t)
			s.world.Configure(func(e *fakeawstest.EC2Settings) { e.Guard = guard })
			id := s.protect(1)[0]
			all := []*scene{s}
			if guard == fakeawstest.SameConfiguration {
				all = append(all, s.secondDaemon()) // without a guard, two daemons would create two equal flow logs
				all[1].refresh()
				s.now = s.now.Add(time.Hour)
				all[1].now = s.now
			}
			f := s.attack(id)
			for _, d := range all {
				d.deliver(f)
			}
			other := s.plant("vpc-1", rejects)
			for _, d := range all {
				d.refresh()
				if d.row(other).Protected {
					t.Error("a flow log in the place of a lost one is protected")
				}
			}
			for range 120 {
				for _, d := range all {
					d.reconcileOnce()
				}
				for _, d := range all {
					d.now = d.now.Add(30 * time.Second)
				}
			}
			for _, d := range all {
				d.wantState(id, incident.Verified, "")
				if !d.row(other).Protected {
					t.Error("the other flow log is not protected, though the lost one is back")
				}
				d.wantAlertCounts(map[alert.Kind]int{alert.Deletion: 1, alert.Restored: 1, alert.Closed: 1})
			}
			if n := len(s.flowLogsOn("vpc-1")); n != 2 {
				t.Errorf("%d flow logs on vpc-1, want 2", n)
			}
		})
	}
}

// TestADecoySeenBeforeTheLoss: a record made a decoy known before anything reported the loss of the other flow
// log. When both deletions are reported, the decoy is not restored.
func TestADecoySeenBeforeTheLoss(t *testing.T) {
	t.Parallel()
	s, id := protectedOne(t)
	deletion := s.attack(id)
	s.now = s.now.Add(time.Second)
	decoy := s.plant("vpc-1", rejects)
	s.deliver(s.recordOfCreate(decoy))
	if !s.row(decoy).Protected {
		t.Error("a flow log next to one that counts as live is not protected")
	}
	deleted := s.attack(decoy)
	s.deliver(deletion, deleted)
	s.advance(time.Hour)
	s.wantState(id, incident.Verified, "")
	s.wantState(decoy, incident.Closed, incident.Exempt)
	if f := s.wantRestored("vpc-1"); f.TrafficType != "ALL" {
		t.Errorf("%+v", f)
	}
}

func TestADecoyBlocksUntilItIsGone(t *testing.T) {
	t.Parallel()
	s, id := protectedOne(t)
	f := s.attack(id)
	decoy := s.plant("vpc-1", func(f *fakeaws.FlowLog) { f.TrafficType = "REJECT" })
	s.deliver(f)
	s.reconcile()
	if i := s.wantState(id, incident.Blocked, incident.Decoy); i.Advice == "" {
		t.Error("no advice")
	}
	s.refresh()
	if s.row(decoy).Protected {
		t.Error("the decoy is protected")
	}
	s.wantAlertCounts(map[alert.Kind]int{alert.Deletion: 1, alert.Decoy: 1})
	if a := s.alerts(alert.Decoy)[0]; a.Level != alert.Critical || !slices.Equal(a.FlowLogs[0].DifferencesFound, []string{`traffic_type: "REJECT" instead of "ALL"`}) ||
		!strings.Contains(a.Text, "differs in traffic_type") || !strings.Contains(a.Text, decoy+" is in the way") {
		t.Errorf("%s\n%+v", a.Text, a)
	}
	if s.creates() == 0 {
		t.Error("I3: a decoy does not stop the attempt")
	}
	s.attackAndReconcile(decoy)
	s.wantState(id, incident.Restored, "")
	s.wantRestored("vpc-1")
}

// TestI2ADecoyBeforeAnyReport: one refresh shows that a protected flow log is gone, and that another flow log is
// in its place: the other is a decoy. A flow log to another destination is none. Once the incident of the lost
// flow log is closed without a restore, the decoy is protected.
func TestI2ADecoyBeforeAnyReport(t *testing.T) {
	t.Parallel()
	s, id := protectedOne(t)
	f := s.attack(id)
	rejected := func(f *fakeaws.FlowLog) { f.TrafficType = "REJECT" }
	decoy := s.plant("vpc-1", rejected)
	other := s.plant("vpc-1", func(f *fakeaws.FlowLog) { rejected(f); f.LogDestination = bucket + "/elsewhere" })
	s.refresh()
	if s.row(decoy).Protected || !s.row(other).Protected {
		t.Error("the decoy is protected, or the flow log to another destination is not")
	}
	s.r.Policy.AlertOnly = true
	s.deliver(f)
	s.reconcile()
	if !s.row(decoy).Protected {
		t.Error("the incident is closed, and the flow log in the place is not protected")
	}
}

// TestI6ALostDecoyMakesNoDecoys: a decoy was deleted, and its incident is still open. Somebody creates the lost
// flow log again: it must be protected at once, and not count as a decoy of the decoy.
func TestI6ALostDecoyMakesNoDecoys(t *testing.T) {
	t.Parallel()
	s, id := protectedOne(t)
	lost := s.attack(id)
	decoy := s.plant("vpc-1", func(f *fakeaws.FlowLog) { f.TrafficType = "REJECT" })
	s.refresh()
	s.deliver(lost, s.attack(decoy))
	back := s.plant("vpc-1", nil)
	s.refresh()
	if !s.row(back).Protected {
		t.Fatal("the flow log counts as a decoy of the decoy")
	}
	again := s.attack(back) // before any incident is decided
	s.deliver(again)
	s.advance(time.Hour)
	s.wantRestored("vpc-1")
}

// TestDecoyMadeIsAlerted: when the record of a decoy's creation comes, one alert says who created it, and in
// whose place.
func TestDecoyMadeIsAlerted(t *testing.T) {
	t.Parallel()
	s, id := protectedOne(t)
	deletion := s.attack(id)
	decoy := s.plant("vpc-1", func(f *fakeaws.FlowLog) { f.TrafficType = "REJECT" })
	s.deliver(deletion)
	s.events++
	f := s.judge(cloudtrail.Record{EventID: "made", EventName: cloudtrail.CreateFlowLogs, EventSource: cloudtrail.EC2, EventTime: s.now, Account: account, Region: region,
		CreatedIDs: []string{decoy}, Identity: cloudtrail.Identity{Type: "IAMUser", ARN: mallory}})
	s.deliver(f, f)
	all := s.alerts(alert.Tamper)
	if len(all) != 1 || all[0].Level != alert.High || all[0].Target != decoy || all[0].Actor.ARN != mallory || all[0].FlowLogs[0].FlowLogID != id || len(all[0].FlowLogs[0].DifferencesFound) != 1 {
		t.Fatalf("%+v", all)
	}
}

// TestI2ADecoyBesideAReleaseThatEnded: a refresh finds a flow log gone that was released when AWS last showed
// it, so the loss counts as released. The record, which comes later, may say that the release had ended before
// the deletion. Then a flow log that took its place is a decoy, and must not be protected before a record could
// come.
func TestI2ADecoyBesideAReleaseThatEnded(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		recorded bool
		wait     time.Duration // Policy.DriftWait
	}{
		"a record comes":               {true, 2 * time.Minute},
		"no record comes":              {false, 2 * time.Minute},
		"a record comes after an hour": {true, 90 * time.Minute}, // a due time that is so far ahead is evaluated earlier
		"no record comes for an hour":  {false, 90 * time.Minute},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := configured(t, func(p *incident.Policy) { p.DriftWait = c.wait })
			id := s.protect(1)[0]
			s.release(time.Minute)
			s.now = s.now.Add(10 * time.Minute)
			deletion := s.attack(id)
			s.now = s.now.Add(time.Second)
			decoy := s.plant("vpc-1", func(f *fakeaws.FlowLog) { f.TrafficType = "REJECT" })
			s.now = s.now.Add(time.Second)
			s.refresh()
			s.advance((c.wait - time.Minute) / 2)
			s.refresh()
			s.advance((c.wait - time.Minute) / 2)
			s.refresh()
			s.wantAlerts(alert.Tamper, 0)
			s.wantState(id, incident.Closed, incident.Released)
			if s.row(decoy).Protected {
				t.Error("a possible decoy is protected before a record could come")
			}
			if c.recorded {
				s.deliver(deletion)
				s.advance(10 * time.Second)
				s.wantState(id, incident.Blocked, incident.Decoy)
				s.world.Remove(account, region, decoy)
				s.advance(time.Hour)
				s.wantRestored("vpc-1")
				return
			}
			s.advance(3 * time.Minute)
			if !s.row(decoy).Protected {
				t.Error("the flow log that took the place of a released one is not protected")
			}
		})
	}
}

// restoredBesideADecoy returns a scene in which a flow log was restored next to a decoy, because this AWS allows
// both. No refresh has shown the decoy yet.
func restoredBesideADecoy(t *testing.T) (s *scene, lost, decoy string) {
	t.Helper()
	s = newScene(t)
	s.world.Configure(func(e *fakeawstest.EC2Settings) { e.Guard = fakeawstest.NoGuard })
	lost = s.protect(1)[0]
	f := s.attack(lost)
	s.now = s.now.Add(time.Second)
	decoy = s.plant("vpc-1", rejects)
	s.now = s.now.Add(5 * time.Second)
	s.deliver(f)
	s.advance(12 * time.Minute)
	s.wantState(lost, incident.Verified, "")
	return s, lost, decoy
}

// TestADecoyShownAfterTheRestore: no record says who created a decoy, and the first refresh that shows it comes
// after the lost flow log was restored. It becomes protected as soon as refreshes have shown both for long
// enough.
func TestADecoyShownAfterTheRestore(t *testing.T) {
	t.Parallel()
	s, _, other := restoredBesideADecoy(t)
	s.refresh()
	s.advance(15 * time.Minute)
	s.refresh()
	if !s.row(other).Protected {
		t.Error("the second flow log is not protected")
	}
	s.wantAlerts(alert.Tamper, 0)
}

// TestMoreDecoysThanAPage: after a refresh, the store checks in pages of 1,000 which decoys are protected now. A
// page of decoys that stay decoys must not hide those of the next page.
func TestMoreDecoysThanAPage(t *testing.T) {
	t.Parallel()
	s, id, other := restoredBesideADecoy(t)
	lost := s.row(id)
	s.must(s.store.Update(s.t.Context(), func(tx *store.Tx) error {
		for n := range 1000 {
			row := lost
			row.ID, row.ResourceID = fmt.Sprintf("fl-%04d", n), fmt.Sprintf("vpc-of-%d", n)
			row.RootID, row.State = row.ID, inventory.Gone
			i := incident.New(scope, "fl-lost-"+row.ID, row, true, s.now)
			i.NextAttemptAt = time.Time{}
			row.TrafficType, row.State, row.Protected, row.CreatedAt, row.WrittenAt = "REJECT", inventory.Live, false, s.now, s.now
			if err := errors.Join(tx.PutFlowLog(row), tx.PutIncident(i)); err != nil {
				return err
			}
		}
		return nil
	}))
	s.refresh()
	if !s.row(other).Protected || s.row("fl-0999").Protected {
		t.Error("the decoy whose original is back is not protected, or one of the others is")
	}
}

// TestAPairOfWhichOneIsReported: two flow logs to one destination are deleted, of which one was created long
// after the other. The record of the older one's deletion never comes. Refreshes have shown both for hours, so
// neither is a decoy, and both are restored.
func TestAPairOfWhichOneIsReported(t *testing.T) {
	t.Parallel()
	s := newScene(t)
	s.world.Configure(func(e *fakeawstest.EC2Settings) { e.Guard = fakeawstest.NoGuard })
	older := s.protect(1)[0]
	s.advance(time.Hour)
	younger := s.plant("vpc-1", rejects)
	s.refresh()
	for range 3 {
		s.advance(time.Hour)
		s.refresh()
	}
	if !s.row(older).Protected || !s.row(younger).Protected {
		t.Fatal("one of the two is not protected before the deletion")
	}
	s.advance(time.Minute)
	s.attack(older)
	s.deliver(s.attack(younger))
	s.advance(10 * time.Second)
	s.wantState(younger, incident.Restored, "")
	s.refresh()
	s.advance(10 * time.Second)
	s.wantState(older, incident.Restored, "")
}
