package remediate_test

import (
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"

	"flowkeeper/alert"
	"flowkeeper/internal/detection"
	"flowkeeper/internal/fakeaws"
	"flowkeeper/internal/fakeaws/fakeawstest"
	"flowkeeper/remediate/incident"
)

// TestI4AGroupWhateverAWSAnswers: several flow logs are restored by one call. Whatever fails, each comes back
// once, with its settings and tags. A flow log that can't come back yet does not delay the others.
func TestI4AGroupWhateverAWSAnswers(t *testing.T) {
	t.Parallel()
	denied := "Access Denied for LogDestination: flow-logs"
	for name, c := range map[string]struct {
		breaks func(*scene)
		heals  func(*scene)
		least  int // creates; with fewer, the failure of the case was not met
	}{
		"nothing":                                 {func(*scene) {}, func(*scene) {}, 1},
		"the answer is lost":                      {func(s *scene) { s.world.LoseAnswers("CreateFlowLogs", 1) }, func(*scene) {}, 1},
		"the answer is lost, without a guard":     {func(s *scene) { s.world.AllowDuplicates(true); s.world.LoseAnswers("CreateFlowLogs", 1) }, func(*scene) {}, 1},
		"AWS is slow to show it":                  {func(s *scene) { s.world.SetConsistencyDelay(40 * time.Second) }, func(*scene) {}, 1},
		"AWS is slow to show it, without a guard": {func(s *scene) { s.world.AllowDuplicates(true); s.world.SetConsistencyDelay(40 * time.Second) }, func(*scene) {}, 1},
		"throttled":                               {func(s *scene) { s.world.Throttle("CreateFlowLogs", 3) }, func(*scene) {}, 1},
		"an internal error":                       {func(s *scene) { s.world.Fail("CreateFlowLogs", 2, "InternalError", 500) }, func(*scene) {}, 1},
		"one flow log is refused":                 {func(s *scene) { s.world.RefuseCreate("vpc-3", "400", denied) }, func(s *scene) { s.world.RefuseCreate("vpc-3", "", "") }, 3},
		"all are refused":                         {func(s *scene) { s.world.Deny("flowkeeper", "CreateFlowLogs") }, func(s *scene) { s.world.Allow("flowkeeper", "CreateFlowLogs") }, 12},
		"a tag policy refuses the common call": {func(s *scene) {
			s.world.Configure(func(e *fakeawstest.EC2Settings) { e.TagPolicy = fakeawstest.TagPolicy{Required: []string{"Name"}} })
		}, func(*scene) {}, 7},
		"IDs in another order":    {func(s *scene) { s.world.Configure(func(e *fakeawstest.EC2Settings) { e.MixedIDs = true }) }, func(*scene) {}, 1},
		"CreateTags is throttled": {func(s *scene) { s.world.Throttle("CreateTags", 3) }, func(*scene) {}, 1},
		"CreateTags is refused":   {func(s *scene) { s.world.Deny("flowkeeper", "CreateTags") }, func(s *scene) { s.world.Allow("flowkeeper", "CreateTags") }, 1},
		"somebody has used the tokens": {func(s *scene) {
			s.world.Meet(func(q *fakeaws.Request) fakeawstest.Refusal {
				if q.Operation == "CreateFlowLogs" && q.Form.Get("ResourceId.2") != "" {
					s.world.UseToken(account, region, q.Form.Get("ClientToken"))
				}
				return fakeawstest.Refusal{}
			})
		}, func(s *scene) { s.wantAlerts(alert.Blocked, 1) }, 8},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newScene(t)
			ids, planted := s.plantMany(6, 0, 0)
			c.breaks(s)
			s.deliver(s.attack(ids...))
			s.advance(4 * time.Minute)
			c.heals(s)
			s.advance(40 * time.Minute)
			s.wantAllRestored(planted)
			if n := s.creates(); n < c.least {
				t.Errorf("%d creates, want at least %d", n, c.least)
			}
			for _, id := range ids {
				s.wantState(id, incident.Verified, "")
			}
		})
	}
}

// TestACauseThatAllShare: AWS refuses the creates for a cause that all flow logs of a group share. They stay in
// one group: while the cause lasts, few calls are made, and when it is gone, one call restores them all.
func TestACauseThatAllShare(t *testing.T) {
	t.Parallel()
	passRole := fakeawstest.Refusal{Status: 403, Code: "UnauthorizedOperation", Message: "You are not authorized to perform this operation. User: arn:aws:iam::111122223333:user/flowkeeper " +
		"is not authorized to perform: iam:PassRole on resource: arn:aws:iam::111122223333:role/deliver because no identity-based policy allows the iam:PassRole action"}
	for name, refuse := range map[string]func(s *scene, on bool){
		"a permission, for the whole call": func(s *scene, on bool) {
			s.world.Meet(func(q *fakeaws.Request) fakeawstest.Refusal {
				if on && q.Operation == "CreateFlowLogs" {
					return passRole
				}
				return fakeawstest.Refusal{}
			})
		},
		"the destination's policy, flow log by flow log": func(s *scene, on bool) {
			code, message := "", ""
			if on {
				code, message = "400", "Access Denied for LogDestination: flow-logs"
			}
			for n := range 40 {
				s.world.RefuseCreate(fmt.Sprintf("vpc-%d", n), code, message)
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newScene(t)
			ids, planted := s.plantMany(40, 0, 0)
			refuse(s, true)
			s.deliver(s.attack(ids...))
			s.advance(30 * time.Second)
			before := s.creates()
			if before > 4 {
				t.Errorf("%d creates while the cause lasts, want at most 4", before)
			}
			for _, id := range ids {
				if i := s.incident(id); i.State != incident.Blocked {
					t.Errorf("the incident of %s is %s", id, i.State)
				}
			}
			s.wantAlerts(alert.Blocked, 1)
			refuse(s, false)
			s.advance(2 * time.Minute)
			s.wantAllRestored(planted)
			if n := s.creates() - before; n != 1 {
				t.Errorf("%d creates when the cause is gone, want 1", n)
			}
		})
	}
}

// TestAPolicyThatDemandsATag: a service control policy refuses the common call, because it lacks the tag Name,
// but AWS does not say so. So each flow log is created alone, with all of its tags.
func TestAPolicyThatDemandsATag(t *testing.T) {
	t.Parallel()
	s := newScene(t)
	ids, planted := s.plantMany(12, 0, 0)
	refused := 0
	s.world.Meet(func(q *fakeaws.Request) fakeawstest.Refusal {
		if q.Operation != "CreateFlowLogs" || strings.Contains(fmt.Sprint(q.Form), "Name") {
			return fakeawstest.Refusal{}
		}
		refused++
		return fakeawstest.Refusal{Status: 403, Code: "UnauthorizedOperation", Message: "You are not authorized to perform this operation. User: arn:aws:iam::111122223333:user/flowkeeper " +
			"is not authorized to perform: ec2:CreateFlowLogs on resource: arn:aws:ec2:eu-west-1:111122223333:vpc-flow-log/* with an explicit deny in a service control policy"}
	})
	s.deliver(s.attack(ids...))
	s.reconcile()
	s.wantAllRestored(planted)
	if refused != 1 {
		t.Errorf("%d calls were refused, want 1", refused)
	}
	s.wantAlertCounts(map[alert.Kind]int{alert.Deletion: 1, alert.Restored: 1})
}

// TestAnItemWhoseTagsAreRefused: AWS refuses one flow log of a common call because of its tags. It is created
// alone, with all of its tags, and has Flowkeeper's tag like the others.
func TestAnItemWhoseTagsAreRefused(t *testing.T) {
	t.Parallel()
	s := newScene(t)
	ids, planted := s.plantMany(4, 0, 0)
	s.world.RefuseCreate("vpc-2", "TagPolicyViolation", "The tag policy requires the following tag key: 'Name'.")
	s.deliver(s.attack(ids...))
	s.reconcileOnce()
	s.world.RefuseCreate("vpc-2", "", "")
	s.reconcile()
	s.wantAllRestored(planted)
	if f := s.flowLogsOn("vpc-2")[0]; f.Tags[incident.RestoredFrom] != ids[2] {
		t.Errorf("restored with the tags %v", f.Tags)
	}
}

// TestTagsThatSomebodyTakesAway: somebody removes a tag again and again. Flowkeeper sets it five times. Then the
// flow log counts as verified without it, and the closed alert says which tag is missing.
func TestTagsThatSomebodyTakesAway(t *testing.T) {
	t.Parallel()
	s := newScene(t)
	ids, _ := s.plantMany(2, 0, 0)
	s.answering(&calls{describe: func(_ int, in *ec2.DescribeFlowLogsInput) (*ec2.DescribeFlowLogsOutput, error) {
		out, err := s.api.DescribeFlowLogs(t.Context(), in)
		if err == nil {
			for n := range out.FlowLogs {
				f := &out.FlowLogs[n]
				f.Tags = slices.DeleteFunc(f.Tags, func(tag types.Tag) bool { return aws.ToString(tag.Key) == "Name" })
			}
		}
		return out, err
	}})
	s.deliver(s.attack(ids...))
	s.advance(time.Hour)
	s.wantState(ids[0], incident.Verified, "")
	s.wantState(ids[1], incident.Verified, "")
	if n := len(s.world.Calls("CreateTags")); n != 10 {
		t.Errorf("%d calls of CreateTags for 2 flow logs, want 10", n)
	}
	s.wantAlertCounts(map[alert.Kind]int{alert.Deletion: 1, alert.Restored: 1, alert.Closed: 1})
	if a := s.alerts(alert.Closed)[0]; strings.Count(a.Text, "verified; not all of its tags are as they were (Name is missing)") != 2 {
		t.Errorf("the alert does not say which tag is missing:\n%s", a.Text)
	}
}

// TestAGroupWithSomeResourcesGone: the attacker has also deleted two of the forty VPCs. The flow logs of the
// other VPCs are restored at once, by few calls.
func TestAGroupWithSomeResourcesGone(t *testing.T) {
	t.Parallel()
	s := newScene(t)
	ids, planted := s.plantMany(40, 0, 0)
	f := s.attack(ids...)
	s.world.RemoveResource(account, region, "vpc-3")
	s.world.RemoveResource(account, region, "vpc-30")
	s.deliver(f)
	s.reconcile()
	if n := len(s.world.FlowLogs(account, region)); n != 38 {
		t.Errorf("%d flow logs are back at once, want 38", n)
	}
	s.advance(20 * time.Minute)
	s.wantAllRestored(slices.DeleteFunc(slices.Clone(planted), func(f fakeaws.FlowLog) bool { return f.ResourceID == "vpc-3" || f.ResourceID == "vpc-30" }))
	s.wantState(ids[3], incident.Closed, incident.ResourceGone)
	s.wantState(ids[30], incident.Closed, incident.ResourceGone)
	if n := s.creates(); n > 8 {
		t.Errorf("%d creates, want at most 8", n)
	}
}

// TestAShortOutageDelaysNoGroup: AWS fails for some seconds. The call of a group is repeated unchanged, as soon
// as that of a single flow log would be. It is not split: its parts could be created only after a
// ConsistencyWindow.
func TestAShortOutageDelaysNoGroup(t *testing.T) {
	t.Parallel()
	for name, breaks := range map[string]func(*scene){
		"internal errors": func(s *scene) { s.world.Fail("CreateFlowLogs", 5, "InternalError", 500) },
		"throttled first": func(s *scene) {
			s.world.Throttle("CreateFlowLogs", 2)
			s.world.Fail("CreateFlowLogs", 1, "InternalError", 500)
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newScene(t)
			ids, planted := s.plantMany(0, 20, 0)
			breaks(s)
			s.deliver(s.attack(ids...))
			s.wantRestoredByOneCall(planted, 70*time.Second) // the pauses are 62 seconds together at most
		})
	}
}

// TestTogetherAfterADenial: while AWS refuses DescribeFlowLogs, all incidents are blocked. No create was
// refused, so one call restores them all when AWS answers again.
func TestTogetherAfterADenial(t *testing.T) {
	t.Parallel()
	s := newScene(t)
	ids, planted := s.plantMany(0, 20, 0)
	s.world.Deny("flowkeeper", "DescribeFlowLogs")
	s.deliver(s.attack(ids...))
	s.reconcile()
	s.wantState(ids[0], incident.Blocked, incident.Permission)
	s.world.Allow("flowkeeper", "DescribeFlowLogs")
	s.wantRestoredByOneCall(planted, 15*time.Second)
}

// wantRestoredByOneCall checks that after some time one call has restored all flow logs as they were planted.
func (s *scene) wantRestoredByOneCall(planted []fakeaws.FlowLog, after time.Duration) {
	s.t.Helper()
	s.advance(after)
	s.wantAllRestored(planted)
	if n := s.creates(); n != 1 {
		s.t.Errorf("%d creates, want 1", n)
	}
}

// TestI4ThreeDaemonsShareAMassDeletion: three daemons receive the record of a mass deletion. AWS refuses a
// second flow log with equal settings, so each flow log is restored once, and all daemons close their incidents.
func TestI4ThreeDaemonsShareAMassDeletion(t *testing.T) {
	t.Parallel()
	first := newScene(t)
	ids, planted := first.plantMany(30, 10, 5)
	all := []*scene{first, first.secondDaemon(), first.secondDaemon()}
	for _, s := range all {
		s.refresh()
	}
	for _, s := range all {
		s.now = first.now.Add(time.Hour)
	}
	f := first.attack(ids...)
	for _, s := range all {
		s.deliver(f)
	}
	for range 400 {
		for _, s := range all {
			s.reconcileOnce()
		}
		for _, s := range all {
			s.now = s.now.Add(5 * time.Second)
		}
	}
	first.wantAllRestored(planted)
	for _, s := range all {
		for _, id := range ids {
			s.wantState(id, incident.Verified, "")
		}
	}
}

// TestI4EveryCrashPointOfAGroup: as TestI4EveryCrashPoint, with one call for several flow logs. In some cases
// one of them is released after the crash, so that the call can't be repeated unchanged, or AWS still shows the
// time before the deletion.
func TestI4EveryCrashPointOfAGroup(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		releases bool          // one flow log is released after the crash
		stale    time.Duration // how old the observations are
	}{"the same": {}, "one is released": {releases: true}, "not shown yet": {stale: 50 * time.Second}, "one is released, not shown yet": {true, 50 * time.Second}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			point := 0
			for groupDiesAt(t, point, c.releases, c.stale) {
				point++
			}
			if point < 12 {
				t.Errorf("the process could die at %d points only, want at least 12: the test does not see all calls", point)
			}
		})
	}
}

// groupDiesAt plays one deletion of several flow logs, and reports whether the process came to the point and
// died.
func groupDiesAt(t *testing.T, point int, releases bool, stale time.Duration) bool {
	s := newScene(t)
	s.world.AllowDuplicates(true)
	ids, planted := s.plantMany(4, 0, 0)
	f := s.attack(ids...)
	s.now = s.now.Add(stale)
	s.world.SetConsistencyDelay(stale)
	c := &crasher{left: point, Store: s.store.Remediation(), EC2: s.api}
	s.r.Store, s.r.Fleet = c, fleet{scope: c}
	acknowledged := s.r.RecordFindings(t.Context(), []detection.Finding{f}, func() {}) == nil
	s.r.Wait()
	for range 4 {
		_, _ = s.r.Reconcile(t.Context(), scope, func() {}) // a dead process reports no errors
		s.now = s.now.Add(time.Second)
	}
	s.crash()
	s.r.Fleet = fleet{scope: s.api}
	if !acknowledged {
		s.deliver(f)
	}
	gone := ""
	if i := s.incident(ids[0]); releases && i.Pending() {
		_, err := s.r.CloseReleased(t.Context(), scope, ids[0], "not wanted")
		s.must(err)
		gone = i.ResourceID
	}
	s.advance(20 * time.Minute)
	if gone != "" { // AWS may have created it before it was released; it may lack a tag
		planted = slices.DeleteFunc(planted, func(f fakeaws.FlowLog) bool { return f.ResourceID == gone })
		if n := len(s.flowLogsOn(gone)); n > 1 {
			t.Errorf("died at point %d: %d flow logs in the place of the released one, want at most 1", point, n)
		}
	}
	s.wantAllRestored(planted)
	for _, id := range ids[1:] {
		s.wantState(id, incident.Verified, "")
	}
	s.must(s.store.Close())
	return c.dead
}

// secondDaemon starts another Flowkeeper on the same AWS, with a state file of its own.
func (s *scene) secondDaemon() *scene {
	other := *s
	other.path = filepath.Join(s.t.TempDir(), "beside.db")
	other.start()
	s.t.Cleanup(func() { other.store.Close() })
	return &other
}
