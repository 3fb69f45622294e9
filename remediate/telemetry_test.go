package remediate_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"flowkeeper/alert"
	"flowkeeper/internal/fakeaws"
	"flowkeeper/remediate/incident"
)

// toLogs gives a flow log the settings of one that a telemetry rule of CloudWatch creates.
func toLogs(group string, more ...func(*fakeaws.FlowLog)) func(*fakeaws.FlowLog) {
	return func(f *fakeaws.FlowLog) {
		f.LogDestinationType, f.LogDestination, f.LogGroupName, f.DeliverLogsPermissionARN, f.FileFormat = "cloud-watch-logs", "", group, delivery, ""
		f.Tags = map[string]string{incident.TelemetryTag: "true"}
		for _, change := range more {
			change(f)
		}
	}
}

func rejected(f *fakeaws.FlowLog) { f.TrafficType = "REJECT" }

// managed returns a scene with one flow log on vpc-1 that a telemetry rule has created.
func managed(t *testing.T) (s *scene, id string) {
	t.Helper()
	s = newScene(t)
	s.world.AddDestination("arn:aws:logs:eu-west-1:111122223333:log-group:/vpc/flow")
	s.world.AddDestination(delivery)
	id = s.plant("vpc-1", toLogs("/vpc/flow"))
	s.learn()
	return s, id
}

// createdAs delivers the record that a role has created a flow log.
func (s *scene) createdAs(role, id string) { s.deliver(as(s.recordOfCreate(id), role)) }

// TestTelemetryRulesReplaceTheirFlowLogs: CloudWatch's role replaces a flow log of its own, in either order, and
// perhaps to another log group. That is no loss and no tampering.
func TestTelemetryRulesReplaceTheirFlowLogs(t *testing.T) {
	t.Parallel()
	role := incident.TelemetryRole(scope)
	for name, group := range map[string]string{"to the same log group": "/vpc/flow", "to another log group": "/vpc/new"} {
		for order, createFirst := range map[string]bool{"create then delete": true, "delete then create": false} {
			t.Run(order+", "+name, func(t *testing.T) {
				t.Parallel()
				s, old := managed(t)
				made := ""
				create := func() {
					made = s.plant("vpc-1", toLogs(group, rejected))
					s.createdAs(role, made)
				}
				if createFirst {
					create()
					s.advance(time.Minute)
				}
				s.deliver(as(s.attack(old), role))
				s.advance(5 * time.Minute)
				s.wantState(old, incident.Open, "")
				if !createFirst {
					create()
				}
				s.refresh()
				s.advance(15 * time.Minute)
				s.wantState(old, incident.Closed, incident.Replaced)
				if s.creates() != 0 || len(s.alerts(alert.Decoy)) != 0 || len(s.alerts(alert.Tamper)) != 0 {
					t.Error("something was created, or called a decoy or tampering")
				}
				if a := s.alerts(alert.Deletion); len(a) != 1 || a[0].Level != alert.Low {
					t.Errorf("alerts %+v", a)
				}
				if !s.row(made).Protected {
					t.Error("the new flow log is not protected")
				}
				s.attackAndReconcile(made)
				s.wantState(made, incident.Restored, "")
				s.advance(time.Hour)
				s.wantResolved()
			})
		}
	}
}

// TestTelemetryRulesThatOnlyDelete: CloudWatch's role deletes a flow log without creating another one. It is
// restored after the wait of the built-in rule, unless a rule of the configuration names the role.
func TestTelemetryRulesThatOnlyDelete(t *testing.T) {
	t.Parallel()
	role := incident.TelemetryRole(scope)
	for name, c := range map[string]struct {
		rules []incident.Rule
		after time.Duration
		level alert.Level
	}{
		"the built-in rule": {nil, 15 * time.Minute, alert.Low},
		"a shorter wait":    {[]incident.Rule{{Principal: role, Action: incident.Wait, Wait: time.Minute}}, time.Minute, alert.High},
		"no wait":           {[]incident.Rule{{Principal: role, Action: incident.Restore}}, 0, alert.Critical},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s, id := managed(t)
			s.policy.Rules = c.rules
			s.crash()
			s.deliver(as(s.attack(id), role))
			if c.after > 0 {
				s.advance(c.after - time.Second)
				s.wantState(id, incident.Open, "")
			}
			s.advance(time.Second)
			s.wantState(id, incident.Restored, "")
			if all := s.flowLogsOn("vpc-1"); len(all) != 1 || all[0].LogGroupName != "/vpc/flow" || all[0].Tags[incident.TelemetryTag] != "true" {
				t.Errorf("on the VPC is %+v", all)
			}
			if a := s.alerts(alert.Deletion); len(a) != 1 || a[0].Level != c.level {
				t.Errorf("alerts %+v", a)
			}
		})
	}
}

// TestTheTelemetryTagExcusesNothing: an attacker can set the tag of telemetry rules on flow logs that he
// deletes, and on decoys. It must change nothing.
func TestTheTelemetryTagExcusesNothing(t *testing.T) {
	t.Parallel()
	s, id := managed(t)
	deletion := s.attack(id)
	decoy := s.plant("vpc-1", toLogs("/vpc/flow", rejected))
	s.deliver(s.recordOfCreate(decoy), deletion)
	s.advance(time.Minute)
	s.wantState(id, incident.Blocked, incident.Decoy)
	if s.row(decoy).Protected {
		t.Error("a decoy is protected because of its tag")
	}
	if a := s.alerts(alert.Deletion); len(a) != 1 || a[0].Level != alert.Critical {
		t.Errorf("alerts %+v", a)
	}
	if a := s.alerts(alert.Tamper); len(a) != 1 || !strings.Contains(a[0].Cause, "a decoy") {
		t.Errorf("tampering %+v", a)
	}
	s.world.Remove(account, region, decoy)
	s.advance(time.Hour)
	if all := s.flowLogsOn("vpc-1"); len(all) != 1 || all[0].TrafficType != "ALL" {
		t.Errorf("on the VPC is %+v", all)
	}
}

// TestWhoLooksLikeTheTelemetryRole: the built-in rule must not apply to a role that has only the name of
// CloudWatch's role, without the path that only AWS can give, or to a role of another account.
func TestWhoLooksLikeTheTelemetryRole(t *testing.T) {
	t.Parallel()
	role := incident.TelemetryRole(scope)
	for name, who := range map[string]string{
		"without the path":                    "arn:aws:iam::111122223333:role/AWSServiceRoleForObservabilityAdmin_TelemetryEnablement",
		"of another account":                  strings.Replace(role, account, "444455556666", 1),
		"of another account without the path": "arn:aws:iam::444455556666:role/AWSServiceRoleForObservabilityAdmin_TelemetryEnablement",
		"a user with such a path":             "arn:aws:iam::111122223333:user/" + strings.TrimPrefix(role, "arn:aws") + "/mallory",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s, id := managed(t)
			s.deliver(as(s.attack(id), who))
			s.reconcile()
			s.wantState(id, incident.Restored, "")
			if a := s.alerts(alert.Deletion); len(a) != 1 || a[0].Level == alert.Low {
				t.Errorf("alerts %+v", a)
			}
		})
	}
}

// TestATelemetryFlowLogInTheWay: somebody has deleted a flow log, and a telemetry rule's flow log now prevents
// its restore. It is no decoy and no tampering, but a person has to decide, so the incident is blocked.
func TestATelemetryFlowLogInTheWay(t *testing.T) {
	t.Parallel()
	s, id := managed(t)
	deletion := s.attack(id)
	made := s.plant("vpc-1", toLogs("/vpc/flow", rejected))
	s.createdAs(incident.TelemetryRole(scope), made)
	s.deliver(deletion)
	s.advance(time.Minute)
	i := s.wantState(id, incident.Blocked, incident.Managed)
	if !strings.Contains(i.Advice, "traffic_type") || !strings.Contains(i.Advice, "release "+id) {
		t.Errorf("the advice is %q", i.Advice)
	}
	if s.wantAlertCounts(map[alert.Kind]int{alert.Deletion: 1, alert.Blocked: 1}); len(s.alerts(alert.Tamper)) != 0 {
		t.Error("the telemetry rule's flow log is alerted as tampering")
	}
	if !slices.ContainsFunc(s.critical(), func(a alert.Alert) bool { return a.Kind == alert.Blocked }) {
		t.Error("the blocked alert is not critical")
	}
	s.world.Remove(account, region, made)
	s.advance(time.Hour)
	s.wantState(id, incident.Verified, "")
}

// TestI2AForgedMakerOfADecoy: a forged record says that CloudWatch's role created mallory's decoy, and comes
// before the true record. After the true record it is a decoy like any other: it is alerted, and not restored.
func TestI2AForgedMakerOfADecoy(t *testing.T) {
	t.Parallel()
	for name, lostFirst := range map[string]bool{"the loss is reported first": true, "the decoy is reported first": false} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s, id := protectedOne(t)
			deletion := s.attack(id)
			decoy := s.plant("vpc-1", rejected)
			forge := func() { s.createdAs(incident.TelemetryRole(scope), decoy) }
			if lostFirst {
				s.deliver(deletion)
				forge()
			} else {
				forge()
				s.deliver(deletion)
			}
			s.advance(time.Minute)
			s.wantState(id, incident.Blocked, incident.Managed)
			s.deliver(s.recordOfCreate(decoy))
			s.advance(time.Minute)
			s.wantState(id, incident.Blocked, incident.Decoy)
			s.wantAlerts(alert.Tamper, 1)
			s.deliver(s.attack(decoy))
			s.advance(time.Hour)
			s.wantState(decoy, incident.Closed, incident.Exempt)
			s.wantState(id, incident.Verified, "")
			if all := s.flowLogsOn("vpc-1"); len(all) != 1 || all[0].TrafficType != "ALL" {
				t.Errorf("on the VPC is %+v", all)
			}
		})
	}
}
