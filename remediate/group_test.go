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

// TestI4AGroupWhateverAWSAnswers: each flow log of a group comes back once, as it was, however
// a part of the call fails; what can't come back holds no other.
func TestI4AGroupWhateverAWSAnswers(t *testing.T) {
	t.Parallel()
	denied := "Access Denied for LogDestination: flow-logs"
	for name, c := range map[string]struct {
		breaks func(*scene)
		heals  func(*scene)
		least  int // creates: fewer would mean that the case is not met
	}{
		"nothing":                             {func(*scene) {}, func(*scene) {}, 1},
		"the answer is lost":                  {func(s *scene) { s.world.LoseAnswers("CreateFlowLogs", 1) }, func(*scene) {}, 1},
		"the answer is lost, without a guard": {func(s *scene) { s.world.AllowDuplicates(true); s.world.LoseAnswers("CreateFlowLogs", 1) }, func(*scene) {}, 1},
		"AWS is slow to show it":              {func(s *scene) { s.world.SetConsistencyDelay(40 * time.Second) }, func(*scene) {}, 1},
		"slow to show it, without a guard":    {func(s *scene) { s.world.AllowDuplicates(true); s.world.SetConsistencyDelay(40 * time.Second) }, func(*scene) {}, 1},
		"throttled":                           {func(s *scene) { s.world.Throttle("CreateFlowLogs", 3) }, func(*scene) {}, 1},
		"an internal error":                   {func(s *scene) { s.world.Fail("CreateFlowLogs", 2, "InternalError", 500) }, func(*scene) {}, 1},
		"one is refused":                      {func(s *scene) { s.world.RefuseCreate("vpc-3", "400", denied) }, func(s *scene) { s.world.RefuseCreate("vpc-3", "", "") }, 3},
		"all are refused":                     {func(s *scene) { s.world.Deny("flowkeeper", "CreateFlowLogs") }, func(s *scene) { s.world.Allow("flowkeeper", "CreateFlowLogs") }, 12},
		"the common call lacks a tag": {func(s *scene) {
			s.world.Configure(func(e *fakeawstest.EC2Settings) { e.TagPolicy = fakeawstest.TagPolicy{Required: []string{"Name"}} })
		}, func(*scene) {}, 7},
		"IDs in another order":    {func(s *scene) { s.world.Configure(func(e *fakeawstest.EC2Settings) { e.MixedIDs = true }) }, func(*scene) {}, 1},
		"CreateTags is throttled": {func(s *scene) { s.world.Throttle("CreateTags", 3) }, func(*scene) {}, 1},
		"CreateTags is refused":   {func(s *scene) { s.world.Deny("flowkeeper", "CreateTags") }, func(s *scene) { s.world.Allow("flowkeeper", "CreateTags") }, 1},
		"tokens of another": {func(s *scene) {
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
			ids, were := s.plantMany(6, 0, 0)
			c.breaks(s)
			s.deliver(s.attack(ids...))
			s.advance(4 * time.Minute)
			c.heals(s)
			s.advance(40 * time.Minute)
			s.wantAllRestored(were)
			if n := s.creates(); n < c.least {
				t.Errorf("%d creates", n)
			}
			for _, id := range ids {
				s.wantState(id, incident.Verified, "")
			}
		})
	}
}

// TestACauseThatAllShare: AWS refuses a group's creates for what its flow logs have in common. They stay together: few
// calls are tried while the cause is there, and one restores them all once it is gone.
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
			ids, were := s.plantMany(40, 0, 0)
			refuse(s, true)
			s.deliver(s.attack(ids...))
			s.advance(30 * time.Second)
			before := s.creates()
			if before > 4 {
				t.Errorf("%d creates while the cause is there", before)
			}
			for _, id := range ids {
				if i := s.incident(id); i.State != incident.Blocked {
					t.Errorf("the incident of %s is %s", id, i.State)
				}
			}
			s.wantAlerts(alert.Blocked, 1)
			refuse(s, false)
			s.advance(2 * time.Minute)
			s.wantAllRestored(were)
			if n := s.creates() - before; n != 1 {
				t.Errorf("%d creates after that, want 1", n)
			}
		})
	}
}

// TestAPolicyThatDemandsATag: a service control policy refuses the common call, which lacks the tag Name, and does
// not say why. So each of them goes alone, with all of its tags.
func TestAPolicyThatDemandsATag(t *testing.T) {
	t.Parallel()
	s := newScene(t)
	ids, were := s.plantMany(12, 0, 0)
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
	s.wantAllRestored(were)
	if refused != 1 {
		t.Errorf("%d calls were refused", refused)
	}
	s.wantAlertCounts(map[alert.Kind]int{alert.Deletion: 1, alert.Restored: 1})
}

// TestAnItemWhoseTagsAreRefused: AWS refuses one of a common call for its tags. Alone, with all of its own, it
// is created, and carries Flowkeeper's tag like the others.
func TestAnItemWhoseTagsAreRefused(t *testing.T) {
	t.Parallel()
	s := newScene(t)
	ids, were := s.plantMany(4, 0, 0)
	s.world.RefuseCreate("vpc-2", "TagPolicyViolation", "The tag policy requires the following tag key: 'Name'.")
	s.deliver(s.attack(ids...))
	s.reconcileOnce()
	s.world.RefuseCreate("vpc-2", "", "")
	s.reconcile()
	s.wantAllRestored(were)
	if f := s.flowLogsOn("vpc-2")[0]; f.Tags[incident.RestoredFrom] != ids[2] {
		t.Errorf("restored with the tags %v", f.Tags)
	}
}

// TestTagsThatSomebodyTakesAway: Flowkeeper sets them five times. Then the flow log counts as verified all the same,
// and people read in its alert which tags it lacks.
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
		t.Errorf("%d calls of CreateTags for 2 flow logs", n)
	}
	s.wantAlertCounts(map[alert.Kind]int{alert.Deletion: 1, alert.Restored: 1, alert.Closed: 1})
	if a := s.alerts(alert.Closed)[0]; strings.Count(a.Text, "verified; not all of its tags are as they were (Name is missing)") != 2 {
		t.Errorf("nobody reads it:\n%s", a.Text)
	}
}

// TestAGroupWithSomeResourcesGone: what is left comes back in one call more.
func TestAGroupWithSomeResourcesGone(t *testing.T) {
	t.Parallel()
	s := newScene(t)
	ids, were := s.plantMany(40, 0, 0)
	f := s.attack(ids...)
	s.world.RemoveResource(account, region, "vpc-3")
	s.world.RemoveResource(account, region, "vpc-30")
	s.deliver(f)
	s.reconcile()
	if n := len(s.world.FlowLogs(account, region)); n != 38 {
		t.Errorf("%d are back at once", n)
	}
	s.advance(20 * time.Minute)
	s.wantAllRestored(slices.DeleteFunc(slices.Clone(were), func(f fakeaws.FlowLog) bool { return f.ResourceID == "vpc-3" || f.ResourceID == "vpc-30" }))
	s.wantState(ids[3], incident.Closed, incident.ResourceGone)
	s.wantState(ids[30], incident.Closed, incident.ResourceGone)
	if n := s.creates(); n > 8 {
		t.Errorf("%d creates", n)
	}
}

// TestAShortOutageDelaysNoGroup: AWS fails for some seconds, as it does now and then. The same call is
// repeated, as soon as that of a single flow log would be: its halves would have to wait for settle.
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
			ids, were := s.plantMany(0, 20, 0)
			breaks(s)
			s.deliver(s.attack(ids...))
			s.wantRestoredByOneCall(were, 70*time.Second) // the pauses are 62 seconds together at most
		})
	}
}

// TestTogetherAfterADenial: while AWS refuses to show anything, all are blocked. That says nothing about
// creates: once it is over, they share a call.
func TestTogetherAfterADenial(t *testing.T) {
	t.Parallel()
	s := newScene(t)
	ids, were := s.plantMany(0, 20, 0)
	s.world.Deny("flowkeeper", "DescribeFlowLogs")
	s.deliver(s.attack(ids...))
	s.reconcile()
	s.wantState(ids[0], incident.Blocked, incident.Permission)
	s.world.Allow("flowkeeper", "DescribeFlowLogs")
	s.wantRestoredByOneCall(were, 15*time.Second)
}

// wantRestoredByOneCall wants flow logs to be as they were after some time, by one call that made them.
func (s *scene) wantRestoredByOneCall(were []fakeaws.FlowLog, after time.Duration) {
	s.t.Helper()
	s.advance(after)
	s.wantAllRestored(were)
	if n := s.creates(); n != 1 {
		s.t.Errorf("%d creates", n)
	}
}

// TestI4ThreeDaemonsShareAMassDeletion: each of them receives the record, and AWS
// refuses a second flow log with the same settings, so that each flow log comes back once.
func TestI4ThreeDaemonsShareAMassDeletion(t *testing.T) {
	t.Parallel()
	first := newScene(t)
	ids, were := first.plantMany(30, 10, 5)
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
	first.wantAllRestored(were)
	for _, s := range all {
		for _, id := range ids {
			s.wantState(id, incident.Verified, "")
		}
	}
}

// TestI4EveryCrashPointOfAGroup: as TestI4EveryCrashPoint, where one call is for several; also
// where one of them is let go after the crash, so that the same call can't be repeated.
func TestI4EveryCrashPointOfAGroup(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		lets  bool
		stale time.Duration
	}{"the same": {}, "one is let go": {lets: true}, "not shown yet": {stale: 50 * time.Second}, "one is let go, not shown yet": {true, 50 * time.Second}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			point := 0
			for groupDiesAt(t, point, c.lets, c.stale) {
				point++
			}
			if point < 12 {
				t.Errorf("only %d points to die at: the test does not see them all", point)
			}
		})
	}
}

// groupDiesAt plays a deletion of several, and reports whether the point was reached.
func groupDiesAt(t *testing.T, point int, lets bool, stale time.Duration) bool {
	s := newScene(t)
	s.world.AllowDuplicates(true)
	ids, were := s.plantMany(4, 0, 0)
	f := s.attack(ids...)
	s.now = s.now.Add(stale)
	s.world.SetConsistencyDelay(stale)
	c := &crasher{left: point, Store: s.store.Remediation(), EC2: s.api}
	s.r.Store, s.r.Fleet = c, fleet{scope: c}
	acknowledged := s.r.RecordFindings(t.Context(), []detection.Finding{f}, func() {}) == nil
	s.r.Wait()
	for range 4 {
		_, _ = s.r.Reconcile(t.Context(), scope, func() {}) // nobody gets the dead one's errors
		s.now = s.now.Add(time.Second)
	}
	s.crash()
	s.r.Fleet = fleet{scope: s.api}
	if !acknowledged {
		s.deliver(f)
	}
	gone := ""
	if i := s.incident(ids[0]); lets && i.Pending() {
		_, err := s.r.CloseReleased(t.Context(), scope, ids[0], "not wanted")
		s.must(err)
		gone = i.ResourceID
	}
	s.advance(20 * time.Minute)
	if gone != "" { // what AWS had made of it, before it was released, may be there, and lack a tag
		were = slices.DeleteFunc(were, func(f fakeaws.FlowLog) bool { return f.ResourceID == gone })
		if n := len(s.flowLogsOn(gone)); n > 1 {
			t.Errorf("dead at %d: %d of what was released", point, n)
		}
	}
	s.wantAllRestored(were)
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
