package remediate_test

import (
	"strings"
	"testing"
	"time"

	"flowkeeper/alert"
	"flowkeeper/internal/fakeaws"
	"flowkeeper/remediate/incident"
)

// decoyBesideALostOne returns a scene with a lost flow log, whose restore AWS refuses, and a decoy in its place.
// This AWS allows two flow logs there.
func decoyBesideALostOne(t *testing.T) (s *scene, id, decoy string) {
	t.Helper()
	s, id = protectedOne(t)
	s.world.AllowDuplicates(true)
	s.world.Deny("flowkeeper", "CreateFlowLogs")
	s.deliver(s.attack(id))
	return s, id, s.plant("vpc-1", rejects)
}

// TestADecoyThatNobodyReports: AWS refuses to restore a lost flow log, a decoy stands in its place, and no
// record says who created the decoy. One alert says that the decoy is not protected, even if many refreshes show
// it and the daemon restarts.
func TestADecoyThatNobodyReports(t *testing.T) {
	t.Parallel()
	s, id, decoy := decoyBesideALostOne(t)
	s.refresh()
	s.crash()
	s.wantAlerts(alert.Tamper, 0) // a record may still come that says who created it
	s.advance(time.Hour)
	s.refresh()
	s.crash()
	s.advance(time.Hour)
	s.refresh()
	all := s.alerts(alert.Tamper)
	if len(all) != 1 {
		t.Fatalf("%d alerts say that the decoy is not protected, want 1", len(all))
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
	s.advance(time.Hour)
	s.wantAlerts(alert.Tamper, 1)
}

// TestADecoyThatVanishesSoon: a decoy that is deleted a minute after a refresh has shown it is alerted all the
// same.
func TestADecoyThatVanishesSoon(t *testing.T) {
	t.Parallel()
	s, _, decoy := decoyBesideALostOne(t)
	s.refresh()
	s.world.Remove(account, region, decoy)
	s.now = s.now.Add(time.Minute)
	s.refresh()
	s.advance(time.Hour)
	s.refresh()
	if all := s.alerts(alert.Tamper); len(all) != 1 || all[0].Target != decoy || !strings.Contains(all[0].Text, "gone by now") {
		t.Errorf("%+v", all)
	}
}

// TestADecoyIsAlertedOnce: there is no alert that a decoy is not protected if another alert has already named
// it, or if it becomes protected soon.
func TestADecoyIsAlertedOnce(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		play func(s *scene, id, decoy string)
		want map[alert.Kind]int // alerts, except those of tampering
		made int                // alerts of tampering
	}{
		"the decoy prevents a restore":                               {func(s *scene, _, _ string) { s.reconcile() }, map[alert.Kind]int{alert.Deletion: 1, alert.Decoy: 1}, 0},
		"the decoy prevents a restore, and a refresh shows it later": {func(s *scene, _, _ string) { s.reconcile(); s.refresh() }, map[alert.Kind]int{alert.Deletion: 1, alert.Decoy: 1}, 0},
		"a record says who created the decoy": {func(s *scene, _, decoy string) {
			s.world.AllowDuplicates(true)
			s.world.Deny("flowkeeper", "CreateFlowLogs")
			s.refresh()
			s.now = s.now.Add(time.Minute)
			s.deliver(s.recordOfCreate(decoy))
		}, map[alert.Kind]int{alert.Deletion: 1, alert.Blocked: 1}, 1},
		"a record says that the decoy is deleted": {func(s *scene, _, decoy string) {
			s.world.AllowDuplicates(true)
			s.world.Deny("flowkeeper", "CreateFlowLogs")
			s.refresh()
			s.deliver(s.attack(decoy))
		}, map[alert.Kind]int{alert.Deletion: 2, alert.Blocked: 1, alert.Closed: 1}, 0},
		"the lost flow log comes back next to the decoy": {func(s *scene, _, _ string) {
			s.world.AllowDuplicates(true)
			s.refresh()
		}, map[alert.Kind]int{alert.Deletion: 1, alert.Restored: 1, alert.Closed: 1}, 0},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s, id := protectedOne(t)
			f := s.attack(id)
			decoy := s.plant("vpc-1", rejects)
			s.deliver(f)
			tt.play(s, id, decoy)
			s.advance(time.Hour)
			s.refresh()
			s.wantAlertCounts(tt.want)
			s.wantAlerts(alert.Tamper, tt.made)
		})
	}
}

// TestADecoyThatDoesNotDeliver: while a decoy is not protected, its failing delivery is not alerted. Once it is
// protected, people are alerted, also if an alert has said before that it was not protected.
func TestADecoyThatDoesNotDeliver(t *testing.T) {
	t.Parallel()
	for name, isAlerted := range map[string]bool{"protected before the alert": false, "protected after the alert": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s, id, decoy := decoyBesideALostOne(t)
			s.world.FailDelivery(account, region, decoy, "Access error")
			s.refresh()
			if isAlerted {
				s.advance(20 * time.Minute)
				s.refresh()
				s.wantAlerts(alert.Tamper, 1)
			}
			_, err := s.r.CloseReleased(t.Context(), scope, id, "")
			s.must(err)
			for range 2 {
				s.advance(20 * time.Minute)
				s.refresh()
			}
			if !s.row(decoy).Protected {
				t.Error("after the release the decoy is not protected")
			}
			s.wantAlerts(alert.Pipeline, 1)
		})
	}
}

// TestANoticeWaitsForARule: a wait rule names a principal who replaces a flow log. A refresh finds the
// replacement before the records come that name him. It must not be alerted as a decoy.
func TestANoticeWaitsForARule(t *testing.T) {
	t.Parallel()
	s := ruled(t, mallory, incident.Wait, 30*time.Minute)
	id, _ := s.protectTwo()
	f := s.attack(id)
	s.now = s.now.Add(time.Second)
	other := s.plant("vpc-1", rejects)
	s.refresh()
	s.advance(time.Minute)
	s.deliver(f)
	s.deliver(s.recordOfCreate(other))
	s.advance(12 * time.Minute)
	s.refresh()
	s.advance(time.Hour)
	s.refresh()
	s.wantState(id, incident.Closed, incident.Replaced)
	s.wantAlerts(alert.Tamper, 0)
}

// TestANoticeWaitsForNoOtherRule: a wait rule applies to the deletion of another flow log of the same resource.
// It must not delay the alert of the decoy.
func TestANoticeWaitsForNoOtherRule(t *testing.T) {
	t.Parallel()
	s := ruled(t, terraformRole, incident.Wait, 12*time.Hour)
	s.world.AddDestination("arn:aws:s3:::other")
	id := s.plant("vpc-1", nil)
	second := s.plant("vpc-1", func(f *fakeaws.FlowLog) { f.LogDestination = "arn:aws:s3:::other" })
	s.learn()
	s.world.AllowDuplicates(true)
	s.world.Deny("flowkeeper", "CreateFlowLogs")
	s.deliver(as(s.attack(second), terraformRole))
	s.deliver(s.attack(id))
	s.advance(10 * time.Second)
	s.plant("vpc-1", rejects)
	s.refresh()
	s.advance(time.Hour)
	s.refresh()
	s.wantAlerts(alert.Tamper, 1)
}

const terraformRole = "arn:aws:iam::111122223333:role/terraform"

// TestADecoyFoundGone: a refresh finds that a decoy is gone, and then the record of its deletion comes. The
// deletion alert names the decoy, so there is no other alert of it.
func TestADecoyFoundGone(t *testing.T) {
	t.Parallel()
	s, _, decoy := decoyBesideALostOne(t)
	s.refresh()
	s.advance(3 * time.Minute)
	f := s.attack(decoy)
	s.refresh()
	s.deliver(f)
	s.advance(time.Hour)
	s.refresh()
	s.wantAlerts(alert.Deletion, 2)
	s.wantAlerts(alert.Tamper, 0)
}

// TestAReplacementThatIsReplaced: the principal whom a wait rule names replaces a flow log, and then replaces
// the replacement. Neither is alerted as a decoy.
func TestAReplacementThatIsReplaced(t *testing.T) {
	t.Parallel()
	s := ruled(t, terraformRole, incident.Wait, 30*time.Minute)
	id, _ := s.protectTwo()
	s.deliver(as(s.attack(id), terraformRole))
	first := s.plant("vpc-1", rejects)
	s.deliver(as(s.recordOfCreate(first), terraformRole))
	s.advance(4 * time.Minute)
	f := as(s.attack(first), terraformRole)
	second := s.plant("vpc-1", func(f *fakeaws.FlowLog) { f.TrafficType = "ACCEPT" })
	s.refresh()
	s.deliver(f)
	s.deliver(as(s.recordOfCreate(second), terraformRole))
	s.advance(2 * time.Hour)
	s.refresh()
	s.wantState(id, incident.Closed, incident.Replaced)
	s.wantAlerts(alert.Tamper, 0)
}

// TestANoticeWhenTheClockGoesBack: the clock is ten hours ahead when a refresh shows a decoy, and is set right
// then. The alert of the decoy must not come ten hours late.
func TestANoticeWhenTheClockGoesBack(t *testing.T) {
	t.Parallel()
	s, _, _ := decoyBesideALostOne(t)
	right := s.now
	s.now = s.now.Add(10 * time.Hour)
	s.refresh()
	s.now = right.Add(time.Minute)
	s.crash()
	s.refresh()
	s.advance(10 * time.Minute)
	s.refresh()
	s.wantAlerts(alert.Tamper, 1)
}

// TestANoticeIsNotPutOffForEver: the principal whom a wait rule names deletes each replacement as soon as it
// exists, so that one wait follows the other. A decoy that stands in the place all the time is alerted all the
// same.
func TestANoticeIsNotPutOffForEver(t *testing.T) {
	t.Parallel()
	s := ruled(t, mallory, incident.Wait, 12*time.Hour)
	s.world.AllowDuplicates(true)
	id := s.protect(1)[0]
	s.deliver(s.attack(id))
	decoy := s.plant("vpc-1", rejects)
	s.refresh()
	for range 4 {
		s.advance(12*time.Hour + 20*time.Second)
		for _, f := range s.flowLogsOn("vpc-1") {
			if f.ID != decoy {
				s.deliver(s.attack(f.ID))
			}
		}
		s.refresh()
		if s.row(decoy).Protected {
			t.Fatal("the decoy is protected: the test needs an unprotected one")
		}
	}
	s.wantAlerts(alert.Tamper, 1)
}
