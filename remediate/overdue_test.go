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
	"flowkeeper/internal/store"
	"flowkeeper/remediate/incident"
)

// TestNothingStaysDarkInSilence: whatever prevents a restore, people are alerted after five minutes, and again
// each day. The alert says what AWS last answered, and how often Flowkeeper has tried.
func TestNothingStaysDarkInSilence(t *testing.T) {
	t.Parallel()
	const forever = 1 << 30
	fail := func(op, code string, status int) func(*scene, *calls) {
		return func(s *scene, _ *calls) { s.world.Fail(op, forever, code, status) }
	}
	for name, c := range map[string]struct {
		breaks func(*scene, *calls)
		says   string // part of AWS's answer
		least  int    // the least number of attempts
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
		"observations are refused":        {fail("DescribeFlowLogs", "UnauthorizedOperation", http.StatusForbidden), "UnauthorizedOperation", 1},
		"observations are throttled":      {func(s *scene, _ *calls) { s.world.Throttle("DescribeFlowLogs", forever) }, "RequestLimitExceeded", 2},
		"observations time out": {func(_ *scene, c *calls) {
			c.describe = func(int, *ec2.DescribeFlowLogsInput) (*ec2.DescribeFlowLogsOutput, error) {
				return nil, context.DeadlineExceeded
			}
		}, "did not answer in time", 2},
		"creates time out":                  {func(_ *scene, c *calls) { c.create = answered(nil, context.DeadlineExceeded) }, "did not answer in time", 2},
		"the network is gone":               {func(_ *scene, c *calls) { c.create = answered(nil, errors.New("dial tcp: no route to host")) }, "no route to host", 2},
		"answers with neither ID nor error": {func(_ *scene, c *calls) { c.create = answered(&ec2.CreateFlowLogsOutput{}, nil) }, "neither a flow log nor an error", 2},
		"AWS never shows what was created": {func(_ *scene, c *calls) {
			c.create = func(n int, _ *ec2.CreateFlowLogsInput) (*ec2.CreateFlowLogsOutput, error) {
				return &ec2.CreateFlowLogsOutput{FlowLogIds: []string{fmt.Sprintf("fl-00000000000dead%02d", n)}}, nil
			}
		}, "never showed", 0},
		"observations are stale by turns": {func(s *scene, c *calls) {
			c.create = answered(nil, context.DeadlineExceeded)
			c.describe = func(n int, _ *ec2.DescribeFlowLogsInput) (*ec2.DescribeFlowLogsOutput, error) {
				s.world.SetConsistencyDelay(time.Duration(n%2) * 59 * time.Minute)
				return nil, nil
			}
		}, "did not answer in time", 1},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s, id := protectedOne(t)
			f := s.attack(id)
			api := s.answering(&calls{})
			s.deliver(f)
			c.breaks(s, api)
			s.advance(5 * time.Minute)
			s.advance(time.Minute)
			alerts := s.critical()
			if len(alerts) == 0 || alerts[0].DedupKey == "" {
				t.Fatalf("after six minutes there are %d critical alerts, want one with a dedup key", len(alerts))
			}
			last := alerts[len(alerts)-1]
			if b := s.alerts(alert.Blocked); len(b) != 1 {
				t.Fatalf("%d blocked alerts, want 1: %+v", len(b), b)
			} else {
				last = b[0]
			}
			got := last.FlowLogs[0]
			if !strings.Contains(got.ErrorMessage, c.says) || !strings.Contains(last.Text, c.says) || got.Attempts < c.least {
				t.Errorf("the alert says %q after %d attempts: %s", got.ErrorMessage, got.Attempts, last.Text)
			}
			if name == "the clock is wrong" && !strings.Contains(last.Text, "this machine's clock") {
				t.Errorf("the alert does not name the clock: %s", last.Text)
			}
			if got.NextAttemptAt == nil || !strings.Contains(last.Text, "next attempt at 2026-03-01 13:0") {
				t.Errorf("next attempt at %v: %s", got.NextAttemptAt, last.Text)
			}
			if c.least == 0 { // each create counts as a restore, so that the lineage flaps: people are alerted of that each hour
				s.advance(25 * time.Hour)
				if all := s.critical(); all[len(all)-1].Time.Sub(last.Time.Time) < 24*time.Hour {
					t.Errorf("there was no alert on the next day: the last one was at %s", all[len(all)-1].Time)
				}
				return
			}
			for day := 2; day <= 3; day++ {
				s.now = last.Time.Add(24*time.Hour - 10*time.Minute)
				s.advance(9 * time.Minute)
				if n := len(s.alerts(alert.Blocked)); n != day-1 {
					t.Fatalf("%d blocked alerts before that of day %d", n, day)
				}
				s.advance(3 * time.Minute)
				all := s.alerts(alert.Blocked)
				if len(all) != day {
					t.Fatalf("%d blocked alerts, want %d, one for each day", len(all), day)
				}
				if last = all[day-1]; last.Level != alert.Critical || last.FlowLogs[0].Attempts < got.Attempts || !strings.Contains(last.Text, c.says) {
					t.Errorf("on day %d: %s %s", day, last.Level, last.Text)
				}
			}
		})
	}
}

// TestWhatIsNotBackIsAlertedDaily: flow logs that are not back have one alert a day, for all flow logs of an
// event together, whether Flowkeeper goes on to try or needs a person. Its pager is resolved when they are back.
func TestWhatIsNotBackIsAlertedDaily(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ breaks, heals func(*scene) }{
		"already exists":       {func(s *scene) { s.world.Fail("CreateFlowLogs", 1<<30, "FlowLogAlreadyExists", http.StatusBadRequest) }, nil},
		"refused":              {func(s *scene) { s.world.Deny("flowkeeper", "CreateFlowLogs") }, func(s *scene) { s.world.Allow("flowkeeper", "CreateFlowLogs") }},
		"observations refused": {func(s *scene) { s.world.Deny("flowkeeper", "DescribeFlowLogs") }, func(s *scene) { s.world.Allow("flowkeeper", "DescribeFlowLogs") }},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s, ids := protected(t, 3)
			f := s.attack(ids...)
			c.breaks(s)
			s.deliver(f)
			s.advance(10 * time.Minute)
			s.now = s.now.Add(23*time.Hour + 30*time.Minute)
			s.advance(10 * time.Minute)
			s.wantAlerts(alert.Blocked, 1)
			s.now = s.now.Add(30 * time.Minute)
			s.advance(time.Minute)
			a := s.alerts(alert.Blocked)
			if len(a) != 2 || len(a[1].FlowLogs) != 3 || a[1].Level != alert.Critical {
				t.Fatalf("the next day: %+v", a)
			}
			for _, f := range a[0].FlowLogs {
				if blocked := c.heals != nil; f.ErrorMessage == "" || blocked && f.Advice == "" {
					t.Errorf("the alert does not say why the flow log is not back: %+v", f)
				}
			}
			if c.heals == nil {
				return
			}
			c.heals(s)
			s.advance(time.Hour)
			for n := range ids {
				s.wantRestored(fmt.Sprintf("vpc-%d", n+1))
			}
			s.wantResolved()
		})
	}
}

// TestTheEndOfWhatWasOverdueGoesAsFar: a flow log had a critical alert because it was overdue. Its restored and
// closed alerts must reach the same sinks, also one that gets only critical alerts.
func TestTheEndOfWhatWasOverdueGoesAsFar(t *testing.T) {
	t.Parallel()
	s := newScene(t)
	ends := map[alert.Kind]alert.Level{}
	s.routed = func(a alert.Alert) { ends[a.Kind] = a.RouteLevel }
	ids := s.protect(2)
	s.world.Throttle("CreateFlowLogs", 40)
	s.deliver(s.attack(ids[0]))
	s.advance(time.Hour)
	s.wantState(ids[0], incident.Verified, "")
	if len(s.alerts(alert.Blocked)) != 1 || ends[alert.Restored] != alert.Critical || ends[alert.Closed] != alert.Critical {
		t.Errorf("%d blocked alerts, want 1; later alerts go to sinks of the levels %v, want critical", len(s.alerts(alert.Blocked)), ends)
	}
	s.wantResolved()
}

// TestAnUnlistedScopeIsAlerted: before the first complete refresh, a flow log that a record names is unknown, so that
// nothing can be restored. People are alerted of that.
func TestAnUnlistedScopeIsAlerted(t *testing.T) {
	t.Parallel()
	s := newScene(t)
	id := s.plant("vpc-1", nil)
	s.world.Deny("flowkeeper", "DescribeFlowLogs")
	s.deliver(s.attack(id))
	s.advance(6 * time.Minute)
	a := s.alerts(alert.Blocked)
	if len(a) != 1 || !strings.Contains(a[0].Text, "first refresh") {
		t.Errorf("alerted %+v", a)
	}
}

// TestTheClockGoesBackWhileNothingIsTried: the clock goes back, so that an incident seems to be opened, or
// alerted, in the future. The five minutes and the day until the next alert count from now.
func TestTheClockGoesBackWhileNothingIsTried(t *testing.T) {
	t.Parallel()
	s, id := protectedOne(t)
	s.r.Fleet = fleet{}
	s.must(s.store.Update(t.Context(), func(tx *store.Tx) error {
		f := s.row(id).FlowLog
		return errors.Join(tx.PutEvent(incident.Event{Scope: scope, ID: "event", Source: incident.ByEvent, DeletionAlertedAt: s.now, DetectedAt: s.now, OverdueAt: s.now}),
			tx.PutIncident(incident.Incident{Scope: scope, FlowLogID: id, RootID: id, ResourceID: f.ResourceID, EventID: "event", Source: incident.ByEvent, State: incident.Open, Known: true,
				Action: incident.Restore, Frozen: f.Settings, OpenedAt: s.now.Add(48 * time.Hour), DetectedAt: s.now}))
	}))
	alerts := func(want int, after time.Duration) {
		t.Helper()
		for end := s.now.Add(after); s.now.Before(end); s.now = s.now.Add(time.Minute) {
			s.must(s.r.NotifyDue(t.Context(), scope))
		}
		s.wantAlerts(alert.Blocked, want)
	}
	alerts(1, 15*time.Minute)
	s.changeIncident(id, func(i *incident.Incident) { i.StuckAlertedAt = s.now.Add(72 * time.Hour) })
	alerts(2, 50*time.Hour)
}

// TestNotifyDueNeedsNoStep: alerts are sent though the scope has no client and no restorer, or though its step
// does not end.
func TestNotifyDueNeedsNoStep(t *testing.T) {
	t.Parallel()
	s, ids := protected(t, 2)
	s.world.Throttle("CreateFlowLogs", 1<<30)
	s.attackAndReconcile(ids[0])
	s.r.Fleet = fleet{}
	s.now = s.now.Add(5 * time.Minute)
	s.must(s.r.NotifyDue(t.Context(), scope))
	if a := s.alerts(alert.Blocked); len(a) != 1 || a[0].FlowLogs[0].NextAttemptAt != nil || !strings.Contains(a[0].Advice, "inventory release") ||
		a[0].FlowLogs[0].ErrorMessage != "RequestLimitExceeded: injected" || !strings.HasPrefix(a[0].Title, "Still not restored, and nothing is tried: the flow log of vpc-1 in ") || !strings.Contains(a[0].Text, "Flowkeeper: tries nothing until") {
		t.Fatalf("alerted %+v", a)
	}
	s.now = s.now.Add(25 * time.Hour)
	for range 3 {
		s.must(s.r.NotifyDue(t.Context(), scope))
	}
	s.wantAlerts(alert.Blocked, 2)
}

// TestAnIncidentOpenedAgainIsOverdueByItself: the answer of a create is lost, and one record names the created
// flow log and another one. The incident of the created one is closed as unknown, until AWS repeats its ID for
// the same token. It has an alert of its own when it is overdue, though the other flow log of the event was
// alerted a moment before.
func TestAnIncidentOpenedAgainIsOverdueByItself(t *testing.T) {
	t.Parallel()
	s, ids := protected(t, 2)
	second, answers := "", false
	s.answering(&calls{create: func(_ int, in *ec2.CreateFlowLogsInput) (*ec2.CreateFlowLogsOutput, error) {
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
	}})
	f := s.attack(ids[0])
	s.deliver(f)
	s.reconcile()
	both := s.attack(second, ids[1])
	s.deliver(both)
	s.advance(10 * time.Minute)
	s.wantState(second, incident.Closed, incident.Unknown)
	before := len(s.alerts(alert.Blocked))
	answers = true
	s.advance(3 * time.Minute)
	s.wantState(second, incident.Open, "")
	s.advance(5 * time.Minute)
	all := s.alerts(alert.Blocked)
	if len(all) != before+1 || all[before].EventID != both.Record.EventID || !strings.Contains(all[before].Text, second) {
		t.Fatalf("%d alerts before, %d after: %+v", before, len(all), all[min(before, len(all)-1)])
	}
}

// TestI9WhatBecomesKnownIsOverdueByItself: one flow log of an event is blocked, and its next alert is due in a
// day. A refresh then shows that a second flow log of the event existed. It has its own alert when it is
// overdue, and not only with the daily one.
func TestI9WhatBecomesKnownIsOverdueByItself(t *testing.T) {
	t.Parallel()
	s, blocked := protectedOne(t)
	s.world.RefuseCreate("vpc-1", "400", "Access Denied for LogDestination: flow-logs")
	s.world.RefuseCreate("vpc-2", "InternalError", "try again")
	late := s.plant("vpc-2", nil) // no refresh has shown it yet
	s.sleep(30 * time.Second)
	s.deliver(s.attack(blocked, late))
	s.advance(time.Minute)
	s.wantAlerts(alert.Blocked, 1)
	s.world.SetConsistencyDelay(75 * time.Second)
	s.refresh() // it shows the flow log that is gone by now
	s.world.SetConsistencyDelay(0)
	s.advance(incident.OverdueAfter + 2*time.Minute)
	alerts := s.alerts(alert.Blocked)
	if last := alerts[len(alerts)-1]; len(alerts) != 2 || last.Level != alert.Critical || len(last.FlowLogs) != 1 || last.FlowLogs[0].FlowLogID != late {
		t.Errorf("%d alerts, the last is %+v", len(alerts), last)
	}
}
