package remediate_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/ec2"

	"flowkeeper/alert"
	"flowkeeper/internal/detection"
	"flowkeeper/internal/fakeaws"
	"flowkeeper/internal/fakeaws/fakeawstest"
	"flowkeeper/internal/store"
	"flowkeeper/inventory"
	"flowkeeper/remediate"
	"flowkeeper/remediate/incident"
)

// calls is AWS, where a test answers some calls itself.
type calls struct {
	remediate.EC2
	create   func(n int, in *ec2.CreateFlowLogsInput) (*ec2.CreateFlowLogsOutput, error)
	describe func(n int) (*ec2.DescribeFlowLogsOutput, error)

	creates, describes int
}

func (c *calls) CreateFlowLogs(ctx context.Context, in *ec2.CreateFlowLogsInput, o ...func(*ec2.Options)) (*ec2.CreateFlowLogsOutput, error) {
	c.creates++
	if c.create != nil {
		if out, err := c.create(c.creates, in); out != nil || err != nil {
			return out, err
		}
	}
	return c.EC2.CreateFlowLogs(ctx, in, o...)
}

func (c *calls) DescribeFlowLogs(ctx context.Context, in *ec2.DescribeFlowLogsInput, o ...func(*ec2.Options)) (*ec2.DescribeFlowLogsOutput, error) {
	c.describes++
	if c.describe != nil {
		if out, err := c.describe(c.describes); out != nil || err != nil {
			return out, err
		}
	}
	return c.EC2.DescribeFlowLogs(ctx, in, o...)
}

// critical are the alerts that tell that something is not back.
func (s *scene) critical() (out []alert.Alert) {
	s.t.Helper()
	for _, k := range []alert.Kind{alert.Blocked, alert.Decoy, alert.Flapping} {
		for _, a := range s.alerts(k) {
			if a.Level == alert.Critical {
				out = append(out, a)
			}
		}
	}
	return out
}

// TestNothingStaysDarkInSilence: whatever keeps a flow log from coming back, people
// hear of it after five minutes, with AWS's last words and how often Flowkeeper
// tried, and again each day; and the pager is resolved when it is back.
func TestNothingStaysDarkInSilence(t *testing.T) {
	t.Parallel()
	const forever = 1 << 30
	fail := func(op, code string, status int) func(*scene, *calls) {
		return func(s *scene, _ *calls) { s.world.Fail(op, forever, code, status) }
	}
	for name, c := range map[string]struct {
		breaks func(*scene, *calls)
		says   string // AWS's words
		least  int    // attempts
	}{
		"creates are throttled":           {func(s *scene, _ *calls) { s.world.Throttle("CreateFlowLogs", forever) }, "RequestLimitExceeded", 2},
		"FlowLogAlreadyExists, not shown": {fail("CreateFlowLogs", "FlowLogAlreadyExists", http.StatusBadRequest), "FlowLogAlreadyExists", 2},
		"IdempotentParameterMismatch":     {fail("CreateFlowLogs", "IdempotentParameterMismatch", http.StatusBadRequest), "IdempotentParameterMismatch", 1},
		"creates fail inside AWS":         {fail("CreateFlowLogs", "InternalError", http.StatusInternalServerError), "InternalError", 2},
		"OperationAborted":                {fail("CreateFlowLogs", "OperationAborted", http.StatusConflict), "OperationAborted", 2},
		"the clock is wrong":              {fail("CreateFlowLogs", "RequestExpired", http.StatusBadRequest), "RequestExpired", 2},
		"creates are refused":             {fail("CreateFlowLogs", "UnauthorizedOperation", http.StatusForbidden), "UnauthorizedOperation", 1},
		"credentials are refused":         {fail("CreateFlowLogs", "AuthFailure", http.StatusUnauthorized), "AuthFailure", 1},
		"the account is suspended":        {fail("CreateFlowLogs", "AccountSuspended", http.StatusForbidden), "AccountSuspended", 1},
		"an answer that nobody knows":     {fail("CreateFlowLogs", "QuantumFlux", http.StatusBadRequest), "QuantumFlux", 1},
		"the limit of the account":        {fail("CreateFlowLogs", "FlowLogsLimitExceeded", http.StatusBadRequest), "FlowLogsLimitExceeded", 1},
		"the parameters are refused":      {fail("CreateFlowLogs", "InvalidParameterValue", http.StatusBadRequest), "InvalidParameterValue", 1},
		"the tags are refused":            {fail("CreateFlowLogs", "TagPolicyViolation", http.StatusBadRequest), "TagPolicyViolation", 1},
		"the bucket's policy is full":     {fail("CreateFlowLogs", "LogDestinationPermissionIssueException", http.StatusBadRequest), "LogDestinationPermissionIssue", 1},
		"the destination is gone":         {func(s *scene, _ *calls) { s.world.RemoveDestination(bucket) }, "does not exist", 1},
		"looks are refused":               {fail("DescribeFlowLogs", "UnauthorizedOperation", http.StatusForbidden), "UnauthorizedOperation", 1},
		"looks are throttled":             {func(s *scene, _ *calls) { s.world.Throttle("DescribeFlowLogs", forever) }, "RequestLimitExceeded", 2},
		"looks time out": {func(_ *scene, c *calls) {
			c.describe = func(int) (*ec2.DescribeFlowLogsOutput, error) { return nil, context.DeadlineExceeded }
		}, "did not answer in time", 2},
		"creates time out": {func(_ *scene, c *calls) {
			c.create = func(int, *ec2.CreateFlowLogsInput) (*ec2.CreateFlowLogsOutput, error) {
				return nil, context.DeadlineExceeded
			}
		}, "did not answer in time", 2},
		"the network is gone": {func(_ *scene, c *calls) {
			c.create = func(int, *ec2.CreateFlowLogsInput) (*ec2.CreateFlowLogsOutput, error) {
				return nil, errors.New("dial tcp: no route to host")
			}
		}, "no route to host", 2},
		"answers with neither ID nor error": {func(_ *scene, c *calls) {
			c.create = func(int, *ec2.CreateFlowLogsInput) (*ec2.CreateFlowLogsOutput, error) {
				return &ec2.CreateFlowLogsOutput{}, nil
			}
		}, "neither a flow log nor an error", 2},
		"creates answer, and nothing shows": {func(_ *scene, c *calls) {
			c.create = func(n int, _ *ec2.CreateFlowLogsInput) (*ec2.CreateFlowLogsOutput, error) {
				return &ec2.CreateFlowLogsOutput{FlowLogIds: []string{fmt.Sprintf("fl-00000000000dead%02d", n)}}, nil
			}
		}, "never showed", 0},
		"reads flap between there and gone": {func(s *scene, c *calls) {
			c.create = func(int, *ec2.CreateFlowLogsInput) (*ec2.CreateFlowLogsOutput, error) {
				return nil, context.DeadlineExceeded
			}
			c.describe = func(n int) (*ec2.DescribeFlowLogsOutput, error) {
				s.world.SetConsistencyDelay(time.Duration(n%2) * 59 * time.Minute)
				return nil, nil
			}
		}, "did not answer in time", 1},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newScene(t)
			id := s.protect(1)[0]
			f := s.attack(id)
			api := &calls{EC2: s.api}
			s.r.Fleet = fleetOf{api}
			s.hear(f)
			c.breaks(s, api)
			s.pass(5 * time.Minute)
			s.pass(time.Minute)
			told := s.critical()
			if len(told) == 0 || told[0].DedupKey == "" {
				t.Fatalf("after six minutes people have heard of %d things", len(told))
			}
			last := told[len(told)-1]
			if b := s.alerts(alert.Blocked); len(b) != 1 {
				t.Fatalf("%d alerts that it is not back, want 1: %+v", len(b), b)
			} else {
				last = b[0]
			}
			got := last.FlowLogs[0]
			if !strings.Contains(got.ErrorMessage, c.says) || !strings.Contains(last.Text, c.says) || got.Attempts < c.least {
				t.Errorf("it says %q after %d attempts: %s", got.ErrorMessage, got.Attempts, last.Text)
			}
			if name == "the clock is wrong" && !strings.Contains(last.Text, "this machine's clock") {
				t.Errorf("no word of the clock: %s", last.Text)
			}
			if got.NextAttemptAt == nil || !strings.Contains(last.Text, "next attempt at 2026-03-01 13:0") {
				t.Errorf("next attempt at %v: %s", got.NextAttemptAt, last.Text)
			}
			if c.least == 0 { // its lineage flaps, of which people hear each hour
				s.pass(25 * time.Hour)
				if all := s.critical(); all[len(all)-1].Time.Sub(last.Time.Time) < 24*time.Hour {
					t.Errorf("the last alert is of %s", all[len(all)-1].Time)
				}
				return
			}
			for day := 2; day <= 3; day++ {
				s.now = last.Time.Add(24*time.Hour - 10*time.Minute)
				s.pass(9 * time.Minute)
				if n := len(s.alerts(alert.Blocked)); n != day-1 {
					t.Fatalf("%d alerts before day %d", n, day)
				}
				s.pass(3 * time.Minute)
				all := s.alerts(alert.Blocked)
				if len(all) != day {
					t.Fatalf("%d alerts on day %d", len(all), day)
				}
				if last = all[day-1]; last.Level != alert.Critical || last.FlowLogs[0].Attempts < got.Attempts || !strings.Contains(last.Text, c.says) {
					t.Errorf("on day %d: %s %s", day, last.Level, last.Text)
				}
			}
		})
	}
}

// noFleet has no client for any scope.
type noFleet struct{}

func (noFleet) EC2(inventory.Scope) (remediate.EC2, bool) { return nil, false }

// TestWhatIsNotBackIsToldDaily, once for all of an event, and its pager is resolved
// in the end: what is tried again and again as well as what needs a person.
func TestWhatIsNotBackIsToldDaily(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ breaks, heals func(*scene) }{
		"already exists": {func(s *scene) { s.world.Fail("CreateFlowLogs", 1<<30, "FlowLogAlreadyExists", http.StatusBadRequest) }, nil},
		"refused":        {func(s *scene) { s.world.Deny("flowkeeper", "CreateFlowLogs") }, func(s *scene) { s.world.Allow("flowkeeper", "CreateFlowLogs") }},
		"looks refused":  {func(s *scene) { s.world.Deny("flowkeeper", "DescribeFlowLogs") }, func(s *scene) { s.world.Allow("flowkeeper", "DescribeFlowLogs") }},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newScene(t)
			ids := s.protect(3)
			f := s.attack(ids...)
			c.breaks(s)
			s.hear(f)
			s.pass(10 * time.Minute)
			s.now = s.now.Add(23*time.Hour + 30*time.Minute)
			s.pass(10 * time.Minute)
			if n := len(s.alerts(alert.Blocked)); n != 1 {
				t.Fatalf("%d alerts within a day", n)
			}
			s.now = s.now.Add(30 * time.Minute)
			s.pass(time.Minute)
			a := s.alerts(alert.Blocked)
			if len(a) != 2 || len(a[1].FlowLogs) != 3 || a[1].Level != alert.Critical {
				t.Fatalf("the next day: %+v", a)
			}
			if c.heals == nil {
				return
			}
			c.heals(s)
			s.pass(time.Hour)
			for n := range ids {
				s.restored(fmt.Sprintf("vpc-%d", n+1))
			}
			s.resolved()
		})
	}
}

// TestTheEndOfWhatWasOverdueGoesAsFar as the alert that it was: also to a sink that
// hears of nothing below critical.
func TestTheEndOfWhatWasOverdueGoesAsFar(t *testing.T) {
	t.Parallel()
	s := newScene(t)
	ends := map[alert.Kind]alert.Level{}
	s.routed = func(a alert.Alert) { ends[a.Kind] = a.RouteLevel }
	ids := s.protect(2)
	s.world.Throttle("CreateFlowLogs", 40)
	s.hear(s.attack(ids[0]))
	s.pass(time.Hour)
	s.is(ids[0], incident.Verified, "")
	if len(s.alerts(alert.Blocked)) != 1 || ends[alert.Restored] != alert.Critical || ends[alert.Closed] != alert.Critical {
		t.Errorf("%d alerts, and its ends go to %v", len(s.alerts(alert.Blocked)), ends)
	}
	s.resolved()
}

// TestWaitingByARuleIsNoDelay: the five minutes begin when the wait ends; and what
// comes back in time is not told of.
func TestWaitingByARuleIsNoDelay(t *testing.T) {
	t.Parallel()
	for name, broken := range map[string]bool{"comes back": false, "does not": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := ruled(t, mallory, incident.Wait, 15*time.Minute)
			id := s.protect(1)[0]
			if broken {
				s.world.Throttle("CreateFlowLogs", 1<<30)
			}
			s.hear(s.attack(id))
			s.pass(19 * time.Minute)
			s.told(map[alert.Kind]int{alert.Deletion: 1, alert.Restored: len(s.alerts(alert.Restored))})
			s.pass(2 * time.Minute)
			if n := len(s.alerts(alert.Blocked)); (n == 1) != broken {
				t.Errorf("%d alerts", n)
			}
		})
	}
}

// TestAWaitThatAnotherRecordEndsIsNoDelay: a record of somebody for whom no rule waits
// ends the wait, and the five minutes do not begin after it.
func TestAWaitThatAnotherRecordEndsIsNoDelay(t *testing.T) {
	t.Parallel()
	const terraform = "arn:aws:iam::111122223333:user/terraform"
	s := ruled(t, terraform, incident.Wait, 15*time.Minute)
	id := s.protect(1)[0]
	s.world.Throttle("CreateFlowLogs", 1<<30)
	waited := s.attack(id)
	waited.Record.Identity.ARN = terraform
	s.hear(waited)
	s.pass(time.Minute)
	s.hear(s.record(id))
	s.pass(5 * time.Minute)
	if n := len(s.alerts(alert.Blocked)); n != 1 {
		t.Errorf("%d alerts six minutes after the first record", n)
	}
}

// TestModeAlertIsNoFailure: nothing is overdue where nothing is to be restored,
// though AWS refuses every look.
func TestModeAlertIsNoFailure(t *testing.T) {
	t.Parallel()
	for name, breaks := range map[string]func(*scene){
		"fine":            func(*scene) {},
		"looks throttled": func(s *scene) { s.world.Throttle("DescribeFlowLogs", 40) },
		"looks refused":   func(s *scene) { s.world.Fail("DescribeFlowLogs", 40, "UnauthorizedOperation", http.StatusForbidden) },
	} {
		for _, how := range []string{"mode", "rule", "release"} {
			t.Run(name+", "+how, func(t *testing.T) {
				t.Parallel()
				s := newScene(t)
				s.policy.AlertOnly = how == "mode"
				if how == "rule" {
					s.policy.Rules = []incident.Rule{{Principal: mallory, Action: incident.Ignore}}
				}
				s.crash()
				id := s.protect(1)[0]
				if how == "release" {
					s.let(id)
				}
				f := s.attack(id)
				breaks(s)
				s.hear(f)
				s.pass(12 * time.Hour)
				s.told(map[alert.Kind]int{alert.Deletion: 1, alert.Closed: 1})
			})
		}
	}
}

// TestAnUnlistedScopeIsTold: before the first complete refresh a flow log that a
// record names is not known, and nothing is tried.
func TestAnUnlistedScopeIsTold(t *testing.T) {
	t.Parallel()
	s := newScene(t)
	id := s.plant("vpc-1", nil)
	s.world.Deny("flowkeeper", "DescribeFlowLogs")
	s.hear(s.attack(id))
	s.pass(6 * time.Minute)
	a := s.alerts(alert.Blocked)
	if len(a) != 1 || !strings.Contains(a[0].Text, "first refresh") {
		t.Errorf("told %+v", a)
	}
}

// TestTheClockGoesBackWhileNothingIsTried: what seems to have been lost, or told of,
// in the time to come counts from now on.
func TestTheClockGoesBackWhileNothingIsTried(t *testing.T) {
	t.Parallel()
	s := newScene(t)
	id := s.protect(1)[0]
	s.r.Fleet = noFleet{}
	s.must(s.store.Update(t.Context(), func(tx *store.Tx) error {
		f := s.row(id).FlowLog
		return errors.Join(tx.PutEvent(incident.Event{Scope: scope, ID: "event", Source: incident.ByEvent, DeletionAlertedAt: s.now, DetectedAt: s.now, OverdueAt: s.now}),
			tx.PutIncident(incident.Incident{Scope: scope, FlowLogID: id, RootID: id, ResourceID: f.ResourceID, EventID: "event", Source: incident.ByEvent, State: incident.Open, Known: true,
				Action: incident.Restore, Frozen: f.Settings, OpenedAt: s.now.Add(48 * time.Hour), DetectedAt: s.now}))
	}))
	alerts := func(want int, after time.Duration) {
		t.Helper()
		for end := s.now.Add(after); s.now.Before(end); s.now = s.now.Add(time.Minute) {
			s.must(s.r.NotifyDue(t.Context(), func() {}))
		}
		if n := len(s.alerts(alert.Blocked)); n != want {
			t.Errorf("%d alerts", n)
		}
	}
	alerts(1, 15*time.Minute)
	s.must(s.store.Update(t.Context(), func(tx *store.Tx) error {
		i, _, err := tx.Incident(scope, id)
		i.StuckAlertedAt = s.now.Add(72 * time.Hour)
		return errors.Join(err, tx.PutIncident(i))
	}))
	alerts(2, 50*time.Hour)
}

// TestNotifyDueNeedsNoStep: alerts come though the scope has no client and no
// restorer, or its step in hand hangs.
func TestNotifyDueNeedsNoStep(t *testing.T) {
	t.Parallel()
	s := newScene(t)
	ids := s.protect(2)
	s.world.Throttle("CreateFlowLogs", 1<<30)
	s.hear(s.attack(ids[0]))
	s.work()
	s.r.Fleet = noFleet{}
	s.now = s.now.Add(5 * time.Minute)
	s.must(s.r.NotifyDue(t.Context(), func() {}))
	if a := s.alerts(alert.Blocked); len(a) != 1 || a[0].FlowLogs[0].NextAttemptAt != nil || !strings.Contains(a[0].Advice, "inventory release") ||
		a[0].FlowLogs[0].ErrorMessage != "RequestLimitExceeded: injected" || !strings.HasPrefix(a[0].Title, "Still not restored, and nothing is tried: the flow log of vpc-1 in ") || !strings.Contains(a[0].Text, "Flowkeeper: tries nothing until") {
		t.Fatalf("told %+v", a)
	}
	s.now = s.now.Add(25 * time.Hour)
	for range 3 {
		s.must(s.r.NotifyDue(t.Context(), func() {}))
	}
	if n := len(s.alerts(alert.Blocked)); n != 2 {
		t.Errorf("%d alerts after a day", n)
	}
}

// TestOldFailuresDoNotDelayANewOne: sixty incidents that fail for ever, and one that
// has just come, under throttling and without: it has its turn at once, a drift is
// told within half a minute; and the old ones are still tried.
func TestOldFailuresDoNotDelayANewOne(t *testing.T) {
	t.Parallel()
	for name, breaks := range map[string]func(*scene){
		"throttled": func(s *scene) { s.world.Throttle("CreateFlowLogs", 1<<30) },
		"failing":   func(s *scene) { s.world.Fail("CreateFlowLogs", 1<<30, "InternalError", http.StatusInternalServerError) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newScene(t)
			ids := s.protect(60)
			s.now = s.now.Add(time.Hour)
			young, gone := s.plant("vpc-young", nil), s.plant("vpc-gone", nil)
			s.refresh()
			s.now = s.now.Add(time.Hour)
			s.refresh()
			tick := func(d time.Duration) {
				for end := s.now.Add(d); s.now.Before(end); s.now = s.now.Add(time.Second) {
					if _, err := s.r.Step(t.Context(), scope, func() {}); err != nil {
						t.Fatal(err)
					}
				}
			}
			breaks(s)
			s.hear(s.attack(ids...))
			tick(5 * time.Minute)
			s.hear(s.attack(young))
			s.world.Remove(account, region, gone) // no event
			s.refresh()
			tick(20 * time.Second)
			if i := s.incident(young); i.Attempts == 0 {
				t.Errorf("not tried within 20 s: %+v", i)
			}
			tick(10 * time.Second)
			told := 0
			for _, a := range s.alerts(alert.Deletion) {
				if a.Source == incident.ByDrift {
					told++
				}
			}
			if told != 1 {
				t.Errorf("%d alerts of the drift within half a minute", told)
			}
			before := 0
			for _, id := range ids {
				before += s.incident(id).Tried
			}
			tick(10 * time.Minute)
			after, never := 0, 0
			for _, id := range ids {
				i := s.incident(id)
				if after += i.Tried; i.Tried == 0 {
					never++
				}
			}
			if after-before < 60 || never > 0 {
				t.Errorf("the old ones were tried %d times in ten minutes, and %d never", after-before, never)
			}
		})
	}
}

// TestHangingRetriesDoNotHoldAStep: where each create takes its whole time, what has
// just come does not wait until all that failed before were tried once more.
func TestHangingRetriesDoNotHoldAStep(t *testing.T) {
	t.Parallel()
	s := newScene(t)
	s.r.Parallel = func(_ int, tasks ...func() error) error {
		for _, f := range tasks {
			if err := f(); err != nil {
				return err
			}
		}
		return nil
	}
	ids := s.protect(40)
	young := s.plant("vpc-young", nil)
	s.refresh()
	s.now = s.now.Add(time.Hour)
	s.refresh()
	s.world.Fail("CreateFlowLogs", 40, "InternalError", http.StatusInternalServerError)
	s.hear(s.attack(ids...))
	s.work()
	s.now = s.now.Add(time.Minute) // all are due again
	api := &calls{EC2: s.api}
	api.create = func(int, *ec2.CreateFlowLogsInput) (*ec2.CreateFlowLogsOutput, error) {
		s.now = s.now.Add(25 * time.Second)
		return nil, context.DeadlineExceeded
	}
	s.r.Fleet = fleetOf{api}
	since := s.now
	_, err := s.r.Step(t.Context(), scope, func() {}) // in hand when it comes
	s.must(err)
	s.hear(s.attack(young))
	_, err = s.r.Step(t.Context(), scope, func() {})
	s.must(err)
	if i := s.incident(young); i.Tried == 0 || s.now.Sub(since) > 2*time.Minute {
		t.Errorf("tried %d times, %s later", i.Tried, s.now.Sub(since))
	}
}

// TestResourceGoneNeedsTwoRefusalsInARow, and nothing else between them.
func TestResourceGoneNeedsTwoRefusalsInARow(t *testing.T) {
	t.Parallel()
	const notFound = "InvalidVpcID.NotFound"
	for name, between := range map[string]func(*scene){
		"refused":        func(s *scene) { s.world.Fail("CreateFlowLogs", 20, "UnauthorizedOperation", http.StatusForbidden) },
		"throttled":      func(s *scene) { s.world.Throttle("CreateFlowLogs", 3) },
		"already exists": func(s *scene) { s.world.Fail("CreateFlowLogs", 3, "FlowLogAlreadyExists", http.StatusBadRequest) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newScene(t)
			id := s.protect(1)[0]
			s.world.Fail("CreateFlowLogs", 1, notFound, http.StatusBadRequest)
			between(s)
			s.world.Fail("CreateFlowLogs", 1, notFound, http.StatusBadRequest)
			s.hear(s.attack(id))
			s.pass(10 * time.Hour)
			s.is(id, incident.Verified, "")
			s.restored("vpc-1")
		})
	}
}

// TestAnObservationSaysNothingOfTheResource: after FlowLogAlreadyExists, too, however AWS refuses it.
func TestAnObservationSaysNothingOfTheResource(t *testing.T) {
	t.Parallel()
	s := newScene(t)
	id := s.protect(1)[0]
	end, created := s.now.Add(10*time.Minute), false
	s.world.Meet(func(q *fakeaws.Request) fakeawstest.Refusal {
		after := created
		created = q.Operation == "CreateFlowLogs"
		switch {
		case !s.now.Before(end):
		case created:
			return fakeawstest.Refusal{Code: "FlowLogAlreadyExists"}
		case after:
			return fakeawstest.Refusal{Code: "InvalidVpcID.NotFound"}
		}
		return fakeawstest.Refusal{}
	})
	s.hear(s.attack(id))
	s.pass(9 * time.Minute)
	s.is(id, incident.Open, "")
	s.pass(10 * time.Minute)
	s.restored("vpc-1")
}

// TestAReplacementExcusesLittle: whom a wait rule names can't lead traffic to a new
// place by it, nor let two flow logs go for one.
func TestAReplacementExcusesLittle(t *testing.T) {
	t.Parallel()
	const other = "arn:aws:s3:::other"
	elsewhere := func(f *fakeaws.FlowLog) { f.LogDestination, f.TrafficType = other, "REJECT" }
	for name, c := range map[string]struct {
		known  time.Duration // before the wait, something else delivers there; 0: nothing does
		losses int
		closed int
	}{
		"to a new place":                  {0, 1, 0},
		"to a place known since the wait": {time.Minute, 1, 0},
		"to a known place":                {20 * time.Minute, 1, 1},
		"one for two":                     {20 * time.Minute, 2, 1},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := ruled(t, mallory, incident.Wait, 15*time.Minute)
			s.world.AllowDuplicates(true)
			s.world.AddDestination(other)
			ids := s.protect(1)
			if c.losses > 1 {
				ids = append(ids, s.plant("vpc-1", func(f *fakeaws.FlowLog) { f.LogDestination += "/2" }))
				s.refresh()
				s.now = s.now.Add(time.Hour)
				s.refresh()
			}
			if c.known > 0 {
				s.plant("vpc-9", elsewhere)
				s.refresh()
				s.now = s.now.Add(c.known)
			}
			s.hear(s.attack(ids...))
			s.now = s.now.Add(time.Second)
			s.hear(s.made(s.plant("vpc-1", elsewhere)))
			s.pass(time.Hour)
			closed := 0
			for _, id := range ids {
				if i := s.incident(id); i.State == incident.Closed && i.Reason == incident.Replaced {
					closed++
				}
			}
			if closed != c.closed {
				t.Errorf("%d of %d losses are excused, want %d", closed, c.losses, c.closed)
			}
		})
	}
}

// made is the record by which mallory made a flow log.
func (s *scene) made(id string) detection.Finding {
	f := s.record()
	f.Kind, f.Record.IDsUnknown, f.Record.CreatedIDs, f.Record.ResourceIDs = detection.Created, false, []string{id}, []string{"vpc-1"}
	return f
}

// TestAnIncidentOpenedAgainIsOverdueByItself, though people heard a moment ago of
// another flow log of its event: the create's answer was lost, what it made was
// deleted by a record that named both, and counted as never seen until AWS gave
// the same ID for the same token.
func TestAnIncidentOpenedAgainIsOverdueByItself(t *testing.T) {
	t.Parallel()
	s := newScene(t)
	ids := s.protect(2)
	second, answers := "", false
	api := &calls{EC2: s.api}
	api.create = func(_ int, in *ec2.CreateFlowLogsInput) (*ec2.CreateFlowLogsOutput, error) {
		switch {
		case in.ResourceIds[0] == "vpc-1" && second == "":
			out, err := s.api.CreateFlowLogs(t.Context(), in)
			s.must(err)
			second = out.FlowLogIds[0]
		case in.ResourceIds[0] == "vpc-1" && answers:
			answers = false
			return nil, nil
		}
		return nil, context.DeadlineExceeded
	}
	s.r.Fleet = fleetOf{api}
	f := s.attack(ids[0])
	s.hear(f)
	s.work()
	both := s.attack(second, ids[1])
	s.hear(both)
	s.pass(10 * time.Minute)
	s.is(second, incident.Closed, incident.Unknown)
	before := len(s.alerts(alert.Blocked))
	answers = true
	s.pass(3 * time.Minute)
	s.is(second, incident.Open, "")
	s.pass(5 * time.Minute)
	all := s.alerts(alert.Blocked)
	if len(all) != before+1 || all[before].EventID != both.Record.EventID || !strings.Contains(all[before].Text, second) {
		t.Fatalf("%d alerts before, %d after: %+v", before, len(all), all[min(before, len(all)-1)])
	}
}
