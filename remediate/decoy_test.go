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

// sideBySide are AWS's guards that allow two flow logs of one resource to one destination: none, and that by
// configuration, which refuses equal ones only.
var sideBySide = map[string]fakeawstest.Guard{"no guard": fakeawstest.NoGuard, "by configuration": fakeawstest.SameConfiguration}

// TestTwoToOneDestination: where AWS allows two flow logs of one resource to one destination,
// both are protected, whether the first refresh finds them or one comes later, and each comes
// back by itself.
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

// TestADecoyThatAWSAllows: what somebody puts in the place of a lost flow log is not protected
// while that is lost. Where AWS allows both, the lost one comes back, and with that the other
// one is protected, too. Another Flowkeeper, whose token is another, adopts what came back.
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
				all = append(all, s.secondDaemon()) // without a guard there would be doubles
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
					t.Error("protected while it stands in the place of a lost one")
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
					t.Error("it stands beside what came back, and is not protected")
				}
				d.wantAlertCounts(map[alert.Kind]int{alert.Deletion: 1, alert.Restored: 1, alert.Closed: 1})
			}
			if n := len(s.flowLogsOn("vpc-1")); n != 2 {
				t.Errorf("%d are there", n)
			}
		})
	}
}

// TestADecoySeenBeforeTheLoss: a decoy that was learned before anything reported the loss is
// none that is restored.
func TestADecoySeenBeforeTheLoss(t *testing.T) {
	t.Parallel()
	s, id := protectedOne(t)
	deletion := s.attack(id)
	s.now = s.now.Add(time.Second)
	decoy := s.plant("vpc-1", rejects)
	s.deliver(s.recordOfCreate(decoy))
	if !s.row(decoy).Protected {
		t.Error("what stands beside a live one is not protected")
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

// TestI2ADecoyBeforeAnyReport: the refresh that first shows what has taken the
// place of a protected flow log finds that one lost: it is a decoy; somewhere else it
// is none. Once the lost one is given up, it is what there is.
func TestI2ADecoyBeforeAnyReport(t *testing.T) {
	t.Parallel()
	s, id := protectedOne(t)
	f := s.attack(id)
	less := func(f *fakeaws.FlowLog) { f.TrafficType = "REJECT" }
	decoy := s.plant("vpc-1", less)
	other := s.plant("vpc-1", func(f *fakeaws.FlowLog) { less(f); f.LogDestination = bucket + "/elsewhere" })
	s.refresh()
	if s.row(decoy).Protected || !s.row(other).Protected {
		t.Error("the decoy is protected, or what is none is not")
	}
	s.r.Policy.AlertOnly = true
	s.deliver(f)
	s.reconcile()
	if !s.row(decoy).Protected {
		t.Error("with the incident closed, what stands there is protected")
	}
}

// TestI6ALostDecoyMakesNoDecoys: what puts a protected flow log back is
// protected at once, even while the deletion of a decoy that stood there before
// is still open: nothing is restored from that one.
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
		t.Fatal("it is taken for a decoy of the decoy")
	}
	again := s.attack(back) // before anything was decided
	s.deliver(again)
	s.advance(time.Hour)
	s.wantRestored("vpc-1")
}

// TestDecoyMadeIsAlerted: who put something worse in the place of a lost flow log.
func TestDecoyMadeIsAlerted(t *testing.T) {
	t.Parallel()
	s, id := protectedOne(t)
	deletion := s.attack(id)
	decoy := s.plant("vpc-1", func(f *fakeaws.FlowLog) { f.TrafficType = "REJECT" })
	s.deliver(deletion)
	s.events++
	f := s.judge(cloudtrail.Record{EventID: "made", EventName: cloudtrail.CreateFlowLogs, EventSource: cloudtrail.EC2, EventTime: s.now, Account: account, Region: region,
		CreatedIDs: []string{decoy}, ResourceIDs: []string{"vpc-1"}, Identity: cloudtrail.Identity{Type: "IAMUser", ARN: mallory}})
	s.deliver(f, f)
	all := s.alerts(alert.Tamper)
	if len(all) != 1 || all[0].Level != alert.High || all[0].Target != decoy || all[0].Actor.ARN != mallory || all[0].FlowLogs[0].FlowLogID != id || len(all[0].FlowLogs[0].DifferencesFound) != 1 {
		t.Fatalf("%+v", all)
	}
}

// TestI2ADecoyBesideAReleaseThatEnded: a refresh finds a loss, and takes it for
// released, as the flow log was when it was last seen. The record that comes later
// says that it was not any more: what stands in its place meanwhile was no
// replacement, and is not restored.
func TestI2ADecoyBesideAReleaseThatEnded(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		recorded bool
		wait     time.Duration // for the record
	}{
		"a record comes":               {true, 2 * time.Minute},
		"none comes":                   {false, 2 * time.Minute},
		"a record comes after an hour": {true, 90 * time.Minute}, // what is due so far ahead is evaluated before
		"none comes for an hour":       {false, 90 * time.Minute},
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
				t.Error("what may be a decoy is protected before a record could come")
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
				t.Error("what took the place of a released flow log is not protected")
			}
		})
	}
}

// restoredBesideADecoy is a scene in which a flow log came back beside one that somebody had made in its
// place, where AWS allows both; no refresh has shown that one yet.
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

// TestADecoyShownAfterTheRestore: no record says who made it, and the first refresh that shows it comes
// when the other one is back. It is protected as soon as refreshes show both for long enough.
func TestADecoyShownAfterTheRestore(t *testing.T) {
	t.Parallel()
	s, _, other := restoredBesideADecoy(t)
	s.refresh()
	s.advance(15 * time.Minute)
	s.refresh()
	if !s.row(other).Protected {
		t.Error("it is not protected")
	}
	s.wantAlerts(alert.Tamper, 0)
}

// TestMoreDecoysThanAPage: a thousand that stay decoys keep no other one from being protected.
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
		t.Error("it is not protected, or the others are")
	}
}

// TestAPairOfWhichOneIsReported: two flow logs to one destination, one made long after the other, are deleted, and
// the record of the older one's deletion never comes. Refreshes have shown both for long: neither is a decoy.
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
		t.Fatal("the case is not what it is to be")
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
