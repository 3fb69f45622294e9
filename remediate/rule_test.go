package remediate_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"flowkeeper/alert"
	"flowkeeper/internal/cloudtrail"
	"flowkeeper/internal/fakeaws"
	"flowkeeper/inventory"
	"flowkeeper/remediate/incident"
)

// TestOwnAccountIsTheRecordsAccount: {account} in a rule is the account that the record is about, never that of
// its principal. A record can't bring a * into the pattern.
func TestOwnAccountIsTheRecordsAccount(t *testing.T) {
	t.Parallel()
	const own, sso = "arn:aws:iam::{account}:role/terraform", "arn:aws:iam::{account}:role/aws-reserved/sso.amazonaws.com/*AWSReservedSSO_NetAdmin_*"
	for name, x := range map[string]struct {
		pattern, account, principal string
		want                        bool
	}{
		"a role of the account":                      {own, "111122223333", "arn:aws:iam::111122223333:role/terraform", true},
		"another account's own role":                 {own, "222233334444", "arn:aws:iam::222233334444:role/terraform", true},
		"a role of a stranger":                       {own, "111122223333", "arn:aws:iam::222233334444:role/terraform", false},
		"the account's role, in a stranger's record": {own, "222233334444", "arn:aws:iam::111122223333:role/terraform", false},
		"another partition":                          {own, "111122223333", "arn:aws-cn:iam::111122223333:role/terraform", false},
		"a longer name":                              {own, "111122223333", "arn:aws:iam::111122223333:role/terraform2", false},
		"another path":                               {own, "111122223333", "arn:aws:iam::111122223333:role/ci/terraform", false},
		"no principal":                               {own, "111122223333", "", false},
		"no account":                                 {own, "", "arn:aws:iam:::role/terraform", false},
		"a star for an account":                      {own, "*", "arn:aws:iam::222233334444:role/terraform", false},
		"a star in an account":                       {own, "1*2222233333", "arn:aws:iam::111122223333:role/terraform", false},
		"the text {account}":                         {own, "{account}", "arn:aws:iam::{account}:role/terraform", false},
		"twice in a pattern":                         {"arn:aws:iam::{account}:role/deploy-{account}", "111122223333", "arn:aws:iam::111122223333:role/deploy-111122223333", true},
		"twice, and one differs":                     {"arn:aws:iam::{account}:role/deploy-{account}", "111122223333", "arn:aws:iam::111122223333:role/deploy-222233334444", false},
		"Identity Center":                            {sso, "111122223333", "arn:aws:iam::111122223333:role/aws-reserved/sso.amazonaws.com/eu-west-1/AWSReservedSSO_NetAdmin_0123456789abcdef", true},
		"Identity Center in us-east-1":               {sso, "111122223333", "arn:aws:iam::111122223333:role/aws-reserved/sso.amazonaws.com/AWSReservedSSO_NetAdmin_0123456789abcdef", true},
		"Identity Center of a stranger":              {sso, "111122223333", "arn:aws:iam::222233334444:role/aws-reserved/sso.amazonaws.com/AWSReservedSSO_NetAdmin_0123456789abcdef", false},
		"Identity Center without the path":           {sso, "111122223333", "arn:aws:iam::111122223333:role/AWSReservedSSO_NetAdmin_0123456789abcdef", false},
		"GovCloud":                                   {"arn:aws-us-gov:iam::{account}:role/terraform", "111122223333", "arn:aws-us-gov:iam::111122223333:role/terraform", true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if got := (incident.Rule{Principal: x.pattern}).Matches(x.account, x.principal); got != x.want {
				t.Errorf("the rule %s, a record of %s by %s: matches %v", x.pattern, x.account, x.principal, got)
			}
		})
	}
}

// TestAnotherAccountsPrincipalOfTheSameName: a rule with {account} excuses a role of the account itself, for
// deletions and for tampering. It does not excuse a role of the same name in another account.
func TestAnotherAccountsPrincipalOfTheSameName(t *testing.T) {
	t.Parallel()
	const pattern = "arn:aws:iam::{account}:role/terraform"
	for of, ours := range map[string]bool{account: true, "444455556666": false} {
		t.Run(of, func(t *testing.T) {
			t.Parallel()
			role := strings.Replace(pattern, "{account}", of, 1)
			s := ruled(t, pattern, incident.Wait, 15*time.Minute)
			id := s.protect(1)[0]
			s.now = s.now.Add(5 * time.Minute)
			s.deliver(as(s.attack(id), role))
			s.advance(10 * time.Second)
			if ours {
				s.wantState(id, incident.Open, "")
			} else {
				s.wantState(id, incident.Restored, "")
			}

			d := dependent(t)
			d.policy.Rules = []incident.Rule{{Principal: pattern, Action: incident.Ignore}}
			d.crash()
			d.deliver(d.tampering("logs", "DeleteLogGroup", "/vpc/flow", func(r *cloudtrail.Record) {
				r.Identity = cloudtrail.Identity{Type: "AssumedRole", SessionIssuer: role}
			}))
			if all := d.alerts(alert.Tamper); len(all) != 1 || (all[0].Level == alert.Informational) != ours {
				t.Errorf("%+v", all)
			}
		})
	}
}

// ruled returns a scene with one rule.
func ruled(t *testing.T, principal string, action incident.Action, wait time.Duration) *scene {
	t.Helper()
	return configured(t, func(p *incident.Policy) {
		p.Rules = []incident.Rule{{Principal: principal, Action: action, Wait: wait}}
	})
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
		reason  incident.Reason
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
			s.deliver(s.attack(id))
			s.advance(time.Minute)
			s.wantState(id, c.state, c.reason)
			if a := s.alerts(alert.Deletion); len(a) != 1 || a[0].Level != c.level {
				t.Errorf("alerts %+v", a)
			}
			if s.creates() != 0 || s.row(id).State != inventory.Gone {
				t.Error("a flow log was created, or the row of the deleted one is not gone")
			}
			if name == "wait" {
				s.advance(10 * time.Minute)
				s.wantState(id, incident.Restored, "")
				s.wantRestored("vpc-1")
			}
		})
	}
}

// TestWaitReplaced: Terraform deletes a flow log and creates another one, to another known destination or with
// other settings. Within the time of a wait rule, that is no loss, and the new flow log is protected from then
// on.
func TestWaitReplaced(t *testing.T) {
	t.Parallel()
	for name, change := range map[string]func(*fakeaws.FlowLog){
		"to another destination": func(f *fakeaws.FlowLog) { f.LogDestination = "arn:aws:s3:::other" },
		"with other settings":    func(f *fakeaws.FlowLog) { f.TrafficType = "REJECT" },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newScene(t)
			id, _ := s.protectTwo()
			s.policy.Rules = []incident.Rule{{Principal: mallory, Action: incident.Wait, Wait: 10 * time.Minute}}
			s.crash()
			s.attackAndReconcile(id)
			s.advance(time.Minute)
			s.world.AddDestination("arn:aws:s3:::other")
			other := s.plant("vpc-1", change)
			s.deliver(s.recordOfCreate(other))
			s.refresh()
			s.advance(10 * time.Minute)
			s.wantState(id, incident.Closed, incident.Replaced)
			s.advance(time.Hour)
			s.refresh()
			if s.creates() != 0 || len(s.alerts(alert.Decoy))+len(s.alerts(alert.Tamper)) != 0 {
				t.Error("something was created, or called a decoy")
			}
			if !s.row(other).Protected {
				t.Error("the new flow log is not protected")
			}
		})
	}
}

// TestWaitAgain: a wait rule also waits if an earlier incident of the same flow log was closed because the flow
// log was alive.
func TestWaitAgain(t *testing.T) {
	t.Parallel()
	s := ruled(t, mallory, incident.Wait, 10*time.Minute)
	id := s.protect(1)[0]
	s.deliver(s.record(id)) // forged: the flow log is alive
	s.advance(time.Hour)
	s.wantState(id, incident.Closed, incident.StillThere)
	s.attackAndReconcile(id)
	s.wantState(id, incident.Open, "")
	s.advance(11 * time.Minute)
	s.wantState(id, incident.Restored, "")
}

// TestWaitingByARuleIsNoDelay: the five minutes until a flow log is overdue begin when the wait of a rule ends.
// A flow log that comes back in time has no such alert.
func TestWaitingByARuleIsNoDelay(t *testing.T) {
	t.Parallel()
	for name, broken := range map[string]bool{"the flow log comes back": false, "the flow log does not come back": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := ruled(t, mallory, incident.Wait, 15*time.Minute)
			id := s.protect(1)[0]
			if broken {
				s.world.Throttle("CreateFlowLogs", 1<<30)
			}
			s.deliver(s.attack(id))
			s.advance(19 * time.Minute)
			s.wantAlertCounts(map[alert.Kind]int{alert.Deletion: 1, alert.Restored: len(s.alerts(alert.Restored))})
			s.advance(2 * time.Minute)
			if n := len(s.alerts(alert.Blocked)); (n == 1) != broken {
				t.Errorf("%d blocked alerts", n)
			}
		})
	}
}

// TestAWaitThatAnotherRecordEndsIsNoDelay: a rule waits because of one record. A second record names another
// principal, so that the wait ends. The flow log is overdue five minutes after that at the latest.
func TestAWaitThatAnotherRecordEndsIsNoDelay(t *testing.T) {
	t.Parallel()
	const terraform = "arn:aws:iam::111122223333:user/terraform"
	s := ruled(t, terraform, incident.Wait, 15*time.Minute)
	id := s.protect(1)[0]
	s.world.Throttle("CreateFlowLogs", 1<<30)
	waited := s.attack(id)
	waited.Record.Identity.ARN = terraform
	s.deliver(waited)
	s.advance(time.Minute)
	s.deliver(s.record(id))
	s.advance(5 * time.Minute)
	s.wantAlerts(alert.Blocked, 1) // six minutes after the first record
}

// TestModeAlertIsNoFailure: if a flow log is not to be restored, nothing is overdue and nothing blocked, even if
// AWS refuses every observation.
func TestModeAlertIsNoFailure(t *testing.T) {
	t.Parallel()
	for name, breaks := range map[string]func(*scene){
		"AWS answers":            func(*scene) {},
		"observations throttled": func(s *scene) { s.world.Throttle("DescribeFlowLogs", 40) },
		"observations refused":   func(s *scene) { s.world.Fail("DescribeFlowLogs", 40, "UnauthorizedOperation", http.StatusForbidden) },
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
					s.release(24*time.Hour, id)
				}
				f := s.attack(id)
				breaks(s)
				s.deliver(f)
				s.advance(12 * time.Hour)
				s.wantAlertCounts(map[alert.Kind]int{alert.Deletion: 1, alert.Closed: 1})
			})
		}
	}
}

// TestAReplacementExcusesLittle: a principal whom a wait rule names must not direct the traffic's records to a
// new destination, and must not replace two flow logs by one.
func TestAReplacementExcusesLittle(t *testing.T) {
	t.Parallel()
	const other = "arn:aws:s3:::other"
	elsewhere := func(f *fakeaws.FlowLog) { f.LogDestination, f.TrafficType = other, "REJECT" }
	for name, c := range map[string]struct {
		known  time.Duration // for how long another flow log has delivered there when the deletion comes; 0: none does
		losses int
		closed int
	}{
		"to a new destination":                          {0, 1, 0},
		"to a destination known for less than the wait": {time.Minute, 1, 0},
		"to a known destination":                        {20 * time.Minute, 1, 1},
		"one flow log for two":                          {20 * time.Minute, 2, 1},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := ruled(t, mallory, incident.Wait, 15*time.Minute)
			s.world.AllowDuplicates(true)
			s.world.AddDestination(other)
			ids := s.protect(1)
			if c.losses > 1 {
				ids = append(ids, s.plant("vpc-1", func(f *fakeaws.FlowLog) { f.LogDestination += "/2" }))
				s.learn()
			}
			if c.known > 0 {
				s.plant("vpc-9", elsewhere)
				s.refresh()
				s.now = s.now.Add(c.known)
			}
			s.deliver(s.attack(ids...))
			s.now = s.now.Add(time.Second)
			s.deliver(s.recordOfCreate(s.plant("vpc-1", elsewhere)))
			s.advance(time.Hour)
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

// TestAPlaceIsNotKnownForLongerThanAWSSays: the clock was a day behind when a flow log to a new destination was
// first seen. When the clock is right again, the destination must not count as known for a day.
func TestAPlaceIsNotKnownForLongerThanAWSSays(t *testing.T) {
	t.Parallel()
	const other = "arn:aws:s3:::other"
	s := ruled(t, mallory, incident.Wait, 15*time.Minute)
	s.world.AllowDuplicates(true)
	s.world.AddDestination(other)
	id := s.protect(1)[0]
	right := s.now.Add(24 * time.Hour)
	replacement := s.plant("vpc-1", func(f *fakeaws.FlowLog) { f.LogDestination, f.CreatedAt = other, right })
	s.refresh()
	s.now = right.Add(3 * time.Minute)
	s.deliver(s.recordOfCreate(replacement))
	s.deliver(s.attack(id))
	s.advance(time.Hour)
	s.wantState(id, incident.Verified, "")
}
