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
	"flowkeeper/internal/store"
	"flowkeeper/inventory"
	"flowkeeper/remediate/incident"
)

func rejects(f *fakeaws.FlowLog) { f.TrafficType = "REJECT" }

// sideBySide are AWS's guards that allow two flow logs of one resource to one destination: none, and that by
// configuration, which refuses equal ones only.
var sideBySide = map[string]fakeaws.Guard{"no guard": fakeaws.NoGuard, "by configuration": fakeaws.SameConfiguration}

// TestTwoToOneDestination: where AWS allows two flow logs of one resource to one destination,
// both are protected, whether the first refresh finds them or one comes later, and each comes
// back by itself.
func TestTwoToOneDestination(t *testing.T) {
	t.Parallel()
	for name, guard := range sideBySide {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newScene(t)
			s.world.Configure(func(e *fakeaws.EC2Settings) { e.Guard = guard })
			s.plant("vpc-2", rejects)
			ids := s.protect(2)
			s.plant("vpc-1", rejects)
			s.refresh()
			for _, vpc := range []string{"vpc-1", "vpc-2"} {
				for _, f := range s.here(vpc) {
					if !s.row(f.ID).Protected {
						t.Errorf("%s of %s is not protected", f.ID, vpc)
					}
				}
			}
			s.now = s.now.Add(time.Hour)
			second := s.here("vpc-1")
			second = slices.DeleteFunc(second, func(f fakeaws.FlowLog) bool { return f.ID == ids[0] })
			s.hear(s.attack(ids[0]))
			s.pass(time.Hour)
			if !s.row(second[0].ID).Protected || len(s.here("vpc-1")) != 2 {
				t.Errorf("%+v", s.here("vpc-1"))
			}
			s.hear(s.attack(second[0].ID))
			s.pass(time.Hour)
			here := s.here("vpc-1")
			if len(here) != 2 || here[0].TrafficType == here[1].TrafficType {
				t.Errorf("%+v", here)
			}
			s.wantCounts(map[alert.Kind]int{alert.Deletion: 2, alert.Restored: 2, alert.Closed: 2})
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
			s.world.Configure(func(e *fakeaws.EC2Settings) { e.Guard = guard })
			id := s.protect(1)[0]
			all := []*scene{s}
			if guard == fakeaws.SameConfiguration {
				all = append(all, s.beside()) // without a guard there would be doubles
				all[1].refresh()
				s.now = s.now.Add(time.Hour)
				all[1].now = s.now
			}
			f := s.attack(id)
			for _, d := range all {
				d.hear(f)
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
					d.step()
				}
				for _, d := range all {
					d.now = d.now.Add(30 * time.Second)
				}
			}
			for _, d := range all {
				d.is(id, incident.Verified, "")
				if !d.row(other).Protected {
					t.Error("it stands beside what came back, and is not protected")
				}
				d.wantCounts(map[alert.Kind]int{alert.Deletion: 1, alert.Restored: 1, alert.Closed: 1})
			}
			if n := len(s.here("vpc-1")); n != 2 {
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
	s.hear(s.made(decoy))
	if !s.row(decoy).Protected {
		t.Error("what stands beside a live one is not protected")
	}
	deleted := s.attack(decoy)
	s.hear(deletion, deleted)
	s.pass(time.Hour)
	s.is(id, incident.Verified, "")
	s.is(decoy, incident.Closed, incident.Exempt)
	if f := s.restored("vpc-1"); f.TrafficType != "ALL" {
		t.Errorf("%+v", f)
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
	s.wantCounts(map[alert.Kind]int{alert.Deletion: 1, alert.Decoy: 1})
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
	s.hear(f)
	s.work()
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
	s.hear(lost, s.attack(decoy))
	back := s.plant("vpc-1", nil)
	s.refresh()
	if !s.row(back).Protected {
		t.Fatal("it is taken for a decoy of the decoy")
	}
	again := s.attack(back) // before anything was decided
	s.hear(again)
	s.pass(time.Hour)
	s.restored("vpc-1")
}

// TestDecoyMadeIsAlerted: who put something worse in the place of a lost flow log.
func TestDecoyMadeIsAlerted(t *testing.T) {
	t.Parallel()
	s, id := protectedOne(t)
	deletion := s.attack(id)
	decoy := s.plant("vpc-1", func(f *fakeaws.FlowLog) { f.TrafficType = "REJECT" })
	s.hear(deletion)
	s.events++
	f := s.judge(cloudtrail.Record{EventID: "made", EventName: cloudtrail.CreateFlowLogs, EventSource: cloudtrail.EC2, EventTime: s.now, Account: account, Region: region,
		CreatedIDs: []string{decoy}, ResourceIDs: []string{"vpc-1"}, Identity: cloudtrail.Identity{Type: "IAMUser", ARN: mallory}})
	s.hear(f, f)
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
		"a record comes after an hour": {true, 90 * time.Minute}, // what is due so far ahead is looked at before
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
			s.pass((c.wait - time.Minute) / 2)
			s.refresh()
			s.pass((c.wait - time.Minute) / 2)
			s.refresh()
			s.wantAlerts(alert.Tamper, 0)
			s.is(id, incident.Closed, incident.Released)
			if s.row(decoy).Protected {
				t.Error("what may be a decoy is protected before a record could come")
			}
			if c.recorded {
				s.hear(deletion)
				s.pass(10 * time.Second)
				s.is(id, incident.Blocked, incident.Decoy)
				s.world.Remove(account, region, decoy)
				s.pass(time.Hour)
				s.restored("vpc-1")
				return
			}
			s.pass(3 * time.Minute)
			if !s.row(decoy).Protected {
				t.Error("what took the place of a released flow log is not protected")
			}
		})
	}
}

// TestADecoyThatNobodyReports: AWS allows it beside the lost one, whose restore is refused, and no
// record of its maker comes. One alert says that it is not protected, however often a refresh shows it
// and the daemon dies.
func TestADecoyThatNobodyReports(t *testing.T) {
	t.Parallel()
	s, id := protectedOne(t)
	s.world.AllowDuplicates(true)
	s.world.Deny("flowkeeper", "CreateFlowLogs")
	s.hear(s.attack(id))
	decoy := s.plant("vpc-1", rejects)
	s.refresh()
	s.crash()
	s.wantAlerts(alert.Tamper, 0) // its maker may become known in a moment
	s.pass(time.Hour)
	s.refresh()
	s.crash()
	s.pass(time.Hour)
	s.refresh()
	all := s.alerts(alert.Tamper)
	if len(all) != 1 {
		t.Fatalf("%d alerts name what is not protected", len(all))
	}
	a := all[0]
	if a.Level != alert.High || a.Target != decoy || len(a.FlowLogs) != 1 || a.FlowLogs[0].FlowLogID != decoy || len(a.FlowLogs[0].DifferencesFound) != 1 {
		t.Errorf("%+v", a)
	}
	for _, want := range []string{"Not protected: " + decoy + " stands in the place of " + id, "--flow-log-ids " + decoy, "flowkeeper inventory release " + id, "differs in traffic_type"} {
		if !strings.Contains(a.Title+a.Text, want) {
			t.Errorf("%q is not in %s\n%s", want, a.Title, a.Text)
		}
	}
	s.world.Remove(account, region, decoy)
	s.refresh()
	s.pass(time.Hour)
	s.wantAlerts(alert.Tamper, 1)
}

// TestADecoyThatVanishesSoon is alerted all the same.
func TestADecoyThatVanishesSoon(t *testing.T) {
	t.Parallel()
	s, id := protectedOne(t)
	s.world.AllowDuplicates(true)
	s.world.Deny("flowkeeper", "CreateFlowLogs")
	s.hear(s.attack(id))
	decoy := s.plant("vpc-1", rejects)
	s.refresh()
	s.world.Remove(account, region, decoy)
	s.now = s.now.Add(time.Minute)
	s.refresh()
	s.pass(time.Hour)
	s.refresh()
	if all := s.alerts(alert.Tamper); len(all) != 1 || all[0].Target != decoy || !strings.Contains(all[0].Text, "gone by now") {
		t.Errorf("%+v", all)
	}
}

// TestADecoyIsAlertedOnce: what an alert has named is not alerted again because it is not
// protected; nor is what is protected soon.
func TestADecoyIsAlertedOnce(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		play func(s *scene, id, decoy string)
		want map[alert.Kind]int // without tamper
		made int                // alerts of tampering
	}{
		"it prevents a restore":                               {func(s *scene, _, _ string) { s.work() }, map[alert.Kind]int{alert.Deletion: 1, alert.Decoy: 1}, 0},
		"it prevents a restore, and a refresh shows it later": {func(s *scene, _, _ string) { s.work(); s.refresh() }, map[alert.Kind]int{alert.Deletion: 1, alert.Decoy: 1}, 0},
		"a record says who made it": {func(s *scene, _, decoy string) {
			s.world.AllowDuplicates(true)
			s.world.Deny("flowkeeper", "CreateFlowLogs")
			s.refresh()
			s.now = s.now.Add(time.Minute)
			s.hear(s.made(decoy))
		}, map[alert.Kind]int{alert.Deletion: 1, alert.Blocked: 1}, 1},
		"a record says that it is deleted": {func(s *scene, _, decoy string) {
			s.world.AllowDuplicates(true)
			s.world.Deny("flowkeeper", "CreateFlowLogs")
			s.refresh()
			s.hear(s.attack(decoy))
		}, map[alert.Kind]int{alert.Deletion: 2, alert.Blocked: 1, alert.Closed: 1}, 0},
		"the lost one comes back beside it": {func(s *scene, _, _ string) {
			s.world.AllowDuplicates(true)
			s.refresh()
		}, map[alert.Kind]int{alert.Deletion: 1, alert.Restored: 1, alert.Closed: 1}, 0},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s, id := protectedOne(t)
			f := s.attack(id)
			decoy := s.plant("vpc-1", rejects)
			s.hear(f)
			tt.play(s, id, decoy)
			s.pass(time.Hour)
			s.refresh()
			s.wantCounts(tt.want)
			s.wantAlerts(alert.Tamper, tt.made)
		})
	}
}

// TestADecoyShownAfterTheRestore: no record says who made it, and the first refresh that shows it comes
// when the other one is back. It is protected as soon as refreshes show both for long enough.
func TestADecoyShownAfterTheRestore(t *testing.T) {
	t.Parallel()
	s := newScene(t)
	s.world.Configure(func(e *fakeaws.EC2Settings) { e.Guard = fakeaws.NoGuard })
	id := s.protect(1)[0]
	f := s.attack(id)
	s.now = s.now.Add(time.Second)
	other := s.plant("vpc-1", rejects)
	s.now = s.now.Add(5 * time.Second)
	s.hear(f)
	s.pass(12 * time.Minute)
	s.is(id, incident.Verified, "")
	s.refresh()
	s.pass(15 * time.Minute)
	s.refresh()
	if !s.row(other).Protected {
		t.Error("it is not protected")
	}
	s.wantAlerts(alert.Tamper, 0)
}

// TestADecoyThatDoesNotDeliver: what is not protected may fail. Once it is protected, people are alerted,
// also if they heard before that it was not.
func TestADecoyThatDoesNotDeliver(t *testing.T) {
	t.Parallel()
	for name, heard := range map[string]bool{"protected before the alert": false, "after it": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s, id := protectedOne(t)
			s.world.AllowDuplicates(true)
			s.world.Deny("flowkeeper", "CreateFlowLogs")
			s.hear(s.attack(id))
			decoy := s.plant("vpc-1", rejects)
			s.world.FailDelivery(account, region, decoy, "Access error")
			s.refresh()
			if heard {
				s.pass(20 * time.Minute)
				s.refresh()
				s.wantAlerts(alert.Tamper, 1)
			}
			_, err := s.r.LetGo(t.Context(), scope, id, "")
			s.must(err)
			for range 2 {
				s.pass(20 * time.Minute)
				s.refresh()
			}
			if !s.row(decoy).Protected {
				t.Error("it is not protected")
			}
			s.wantAlerts(alert.Pipeline, 1)
		})
	}
}

// TestANoticeWaitsForARule: a refresh finds what a principal has replaced before the records come that
// name him, for whom a rule waits.
func TestANoticeWaitsForARule(t *testing.T) {
	t.Parallel()
	s := ruled(t, mallory, incident.Wait, 30*time.Minute)
	id, _ := s.protectTwo()
	f := s.attack(id)
	s.now = s.now.Add(time.Second)
	other := s.plant("vpc-1", rejects)
	s.refresh()
	s.pass(time.Minute)
	s.hear(f)
	s.hear(s.made(other))
	s.pass(12 * time.Minute)
	s.refresh()
	s.pass(time.Hour)
	s.refresh()
	s.is(id, incident.Closed, incident.Replaced)
	s.wantAlerts(alert.Tamper, 0)
}

// TestANoticeWaitsForNoOtherRule: what a rule waits for is another flow log of the resource.
func TestANoticeWaitsForNoOtherRule(t *testing.T) {
	t.Parallel()
	s := ruled(t, terraformRole, incident.Wait, 12*time.Hour)
	s.world.AddDestination("arn:aws:s3:::other")
	id := s.plant("vpc-1", nil)
	second := s.plant("vpc-1", func(f *fakeaws.FlowLog) { f.LogDestination = "arn:aws:s3:::other" })
	s.learn()
	s.world.AllowDuplicates(true)
	s.world.Deny("flowkeeper", "CreateFlowLogs")
	s.hear(as(s.attack(second), terraformRole))
	s.hear(s.attack(id))
	s.pass(10 * time.Second)
	s.plant("vpc-1", rejects)
	s.refresh()
	s.pass(time.Hour)
	s.refresh()
	s.wantAlerts(alert.Tamper, 1)
}

const terraformRole = "arn:aws:iam::111122223333:role/terraform"

// TestADecoyFoundGone: a refresh finds it gone before the record of its deletion, whose alert names it.
func TestADecoyFoundGone(t *testing.T) {
	t.Parallel()
	s, id := protectedOne(t)
	s.world.AllowDuplicates(true)
	s.world.Deny("flowkeeper", "CreateFlowLogs")
	s.hear(s.attack(id))
	decoy := s.plant("vpc-1", rejects)
	s.refresh()
	s.pass(3 * time.Minute)
	f := s.attack(decoy)
	s.refresh()
	s.hear(f)
	s.pass(time.Hour)
	s.refresh()
	s.wantAlerts(alert.Deletion, 2)
	s.wantAlerts(alert.Tamper, 0)
}

// TestAReplacementThatIsReplaced: the principal for whom a rule waits makes a second one in the place of the first.
func TestAReplacementThatIsReplaced(t *testing.T) {
	t.Parallel()
	s := ruled(t, terraformRole, incident.Wait, 30*time.Minute)
	id, _ := s.protectTwo()
	s.hear(as(s.attack(id), terraformRole))
	first := s.plant("vpc-1", rejects)
	s.hear(as(s.made(first), terraformRole))
	s.pass(4 * time.Minute)
	f := as(s.attack(first), terraformRole)
	second := s.plant("vpc-1", func(f *fakeaws.FlowLog) { f.TrafficType = "ACCEPT" })
	s.refresh()
	s.hear(f)
	s.hear(as(s.made(second), terraformRole))
	s.pass(2 * time.Hour)
	s.refresh()
	s.is(id, incident.Closed, incident.Replaced)
	s.wantAlerts(alert.Tamper, 0)
}

// TestANoticeWhenTheClockGoesBack: the clock is ten hours ahead when a refresh shows a decoy, and is put
// right then.
func TestANoticeWhenTheClockGoesBack(t *testing.T) {
	t.Parallel()
	s, id := protectedOne(t)
	s.world.AllowDuplicates(true)
	s.world.Deny("flowkeeper", "CreateFlowLogs")
	s.hear(s.attack(id))
	right := s.now
	s.plant("vpc-1", rejects)
	s.now = s.now.Add(10 * time.Hour)
	s.refresh()
	s.now = right.Add(time.Minute)
	s.crash()
	s.refresh()
	s.pass(10 * time.Minute)
	s.refresh()
	s.wantAlerts(alert.Tamper, 1)
}

// TestMoreDecoysThanAPage: a thousand that stay decoys keep no other one from being protected.
func TestMoreDecoysThanAPage(t *testing.T) {
	t.Parallel()
	s := newScene(t)
	s.world.Configure(func(e *fakeaws.EC2Settings) { e.Guard = fakeaws.NoGuard })
	id := s.protect(1)[0]
	f := s.attack(id)
	s.now = s.now.Add(time.Second)
	other := s.plant("vpc-1", rejects)
	s.now = s.now.Add(5 * time.Second)
	s.hear(f)
	s.pass(12 * time.Minute)
	s.is(id, incident.Verified, "")
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

// TestANoticeIsNotPutOffForEver: somebody for whom a rule waits deletes each replacement as soon as it is
// there. A decoy that stands there all the time is alerted, though one wait follows the other.
func TestANoticeIsNotPutOffForEver(t *testing.T) {
	t.Parallel()
	s := ruled(t, mallory, incident.Wait, 12*time.Hour)
	s.world.AllowDuplicates(true)
	id := s.protect(1)[0]
	s.hear(s.attack(id))
	decoy := s.plant("vpc-1", rejects)
	s.refresh()
	for range 4 {
		s.pass(12*time.Hour + 20*time.Second)
		for _, f := range s.here("vpc-1") {
			if f.ID != decoy {
				s.hear(s.attack(f.ID))
			}
		}
		s.refresh()
		if s.row(decoy).Protected {
			t.Fatal("the case is not what it is to be")
		}
	}
	s.wantAlerts(alert.Tamper, 1)
}

// TestAPairOfWhichOneIsReported: two flow logs to one destination, one made long after the other, are deleted, and
// the record of the older one's deletion never comes. Refreshes have shown both for long: neither is a decoy.
func TestAPairOfWhichOneIsReported(t *testing.T) {
	t.Parallel()
	s := newScene(t)
	s.world.Configure(func(e *fakeaws.EC2Settings) { e.Guard = fakeaws.NoGuard })
	older := s.protect(1)[0]
	s.pass(time.Hour)
	younger := s.plant("vpc-1", rejects)
	s.refresh()
	for range 3 {
		s.pass(time.Hour)
		s.refresh()
	}
	if !s.row(older).Protected || !s.row(younger).Protected {
		t.Fatal("the case is not what it is to be")
	}
	s.pass(time.Minute)
	s.attack(older)
	s.hear(s.attack(younger))
	s.pass(10 * time.Second)
	s.is(younger, incident.Restored, "")
	s.refresh()
	s.pass(10 * time.Second)
	s.is(older, incident.Restored, "")
}
