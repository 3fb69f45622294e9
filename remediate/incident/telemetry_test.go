package incident

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"flowkeeper/alert"
	"flowkeeper/inventory"
)

// TestTelemetryRule: the built-in rule is for AWS's own role in the account of the record,
// whatever its name, and for no principal that only resembles it.
func TestTelemetryRule(t *testing.T) {
	t.Parallel()
	role := TelemetryRole(scope)
	builtIn := Rule{Action: Wait, Wait: 15 * time.Minute, Level: alert.Low}
	none := Rule{Action: Restore}
	own := Rule{Principal: role, Action: Ignore}
	for name, tt := range map[string]struct {
		account, principal string
		rules              []Rule
		want               Rule
	}{
		"the role":            {scope.Account, role, nil, builtIn},
		"under another name":  {scope.Account, "arn:aws:iam::111122223333:role/aws-service-role/telemetry-enablement.observabilityadmin.amazonaws.com/Other", nil, builtIn},
		"in China":            {scope.Account, strings.Replace(role, "arn:aws:", "arn:aws-cn:", 1), nil, builtIn},
		"beside other rules":  {scope.Account, role, []Rule{{Principal: "arn:aws:iam::111122223333:role/terraform", Action: Ignore}}, builtIn},
		"a rule overrides it": {scope.Account, role, []Rule{own}, own},
		"a rule restores":     {scope.Account, role, []Rule{{Principal: "arn:aws:iam::{account}:role/aws-service-role/*", Action: Restore}}, Rule{Principal: "arn:aws:iam::{account}:role/aws-service-role/*", Action: Restore}},
		"of another account":  {"444455556666", role, nil, none},
		"without the path":    {scope.Account, "arn:aws:iam::111122223333:role/AWSServiceRoleForObservabilityAdmin_TelemetryEnablement", nil, none},
		"another service's":   {scope.Account, "arn:aws:iam::111122223333:role/aws-service-role/observabilityadmin.amazonaws.com/AWSServiceRoleForObservabilityAdmin", nil, none},
		"the path below":      {scope.Account, "arn:aws:iam::111122223333:role/x/aws-service-role/telemetry-enablement.observabilityadmin.amazonaws.com/Other", nil, none},
		"a longer path":       {scope.Account, "arn:aws:iam::111122223333:role/aws-service-role/telemetry-enablement.observabilityadmin.amazonaws.com/x/Other", nil, none},
		"no name":             {scope.Account, "arn:aws:iam::111122223333:" + telemetryPath, nil, none},
		"a session":           {scope.Account, "arn:aws:sts::111122223333:assumed-role/AWSServiceRoleForObservabilityAdmin_TelemetryEnablement/x", nil, none},
		"a user whose path looks like an ARN": {scope.Account,
			"arn:aws:iam::111122223333:user/:iam::111122223333:role/aws-service-role/telemetry-enablement.observabilityadmin.amazonaws.com/mallory", nil, none},
		"a record without an account": {"", "arn:aws:iam:::" + telemetryPath + "x", nil, none},
		"nobody":                      {scope.Account, "", nil, none},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := Policy{Rules: tt.rules}
			if got := p.RuleFor(tt.account, tt.principal); got != tt.want {
				t.Errorf("%+v", got)
			}
			trusted := tt.want.Action != Restore
			if got := p.trustsTelemetry(tt.account, tt.principal); got != trusted {
				t.Errorf("trusted: %t", got)
			}
		})
	}
}

// TestTelemetryOwnLogGroup: AWS's telemetry rules may replace a flow log by one to a new log group, but only to one of
// the flow log's own account.
func TestTelemetryOwnLogGroup(t *testing.T) {
	t.Parallel()
	lost := pending("fl-1", func(i *Incident) { i.Action, i.Waited, i.DeletedAt = Wait, time.Hour, noon })
	to := func(destination string) inventory.Row {
		return live("fl-2", func(r *inventory.Row) { r.LogDestinationType, r.LogDestination = "", destination })
	}
	for destination, want := range map[string]bool{
		"arn:aws:logs:eu-west-1:111122223333:log-group:new":   true,
		"arn:aws:logs:eu-west-1:111122223333:log-group:new:*": true,
		"arn:aws:logs:eu-west-1:444455556666:log-group:new":   false,
		"arn:aws:s3:::new": false,
		"":                 false,
	} {
		t.Run(fmt.Sprintf("%q", destination), func(t *testing.T) {
			t.Parallel()
			if got := mayExcuse(lost, to(destination), true, nil); got != want {
				t.Errorf("a flow log of AWS's role to %q excuses the loss: %t, want %t", destination, got, want)
			}
			if mayExcuse(lost, to(destination), false, nil) {
				t.Errorf("a flow log that is not of AWS's role, to %q, excuses the loss", destination)
			}
		})
	}
	excuses := to("arn:aws:logs:eu-west-1:111122223333:log-group:new")
	excuses.Excuses = "fl-0"
	if mayExcuse(lost, excuses, true, nil) {
		t.Error("one flow log excuses two losses")
	}
}

// TestTelemetryMakesNoDecoys: a flow log that AWS's role made in the place of another one, live or lost, is protected.
// If AWS refuses a restore because of it, no alert calls it a decoy.
func TestTelemetryMakesNoDecoys(t *testing.T) {
	t.Parallel()
	role := TelemetryRole(scope)
	created := func(by string) func(*Case) string {
		return func(c *Case) string { c.Rows().Created("fl-2", by); return "" }
	}
	restoring := func(c *Case) { c.Policy.Rules = []Rule{{Principal: role, Action: Restore}} }
	by := func(r *inventory.Row) { r.CreatedBy = role }
	exists := func(c *Case) string {
		c.ApplyAnswer("fl-1", Answer{Class: AlreadyThere, Message: "exists"}, seen(made("fl-2", rejects)), 0)
		return ""
	}
	play(t, []scenario{
		{"beside a live one", given(live("fl-1"), live("fl-2", does(rejects), unprotected)), created(role),
			`row fl-2: Protected=true CreatedBy=` + short(role)},
		{"in the place of a lost one", given(gone("fl-1"), pending("fl-1"), live("fl-2", does(rejects), unprotected)), created(role),
			`row fl-2: Protected=true CreatedBy=` + short(role)},
		{"an alert has called it a decoy", given(gone("fl-1"), blocked("fl-1", Decoy, func(i *Incident) { i.LastError = "fl-2 is in the way" }), live("fl-2", does(rejects), unprotected)), created(role),
			`row fl-2: Protected=true CreatedBy=` + short(role) + ` | fl-1: State=open Reason="" NextAttemptAt=now Stuck=nothing StuckNews=false`},
		{"another one is the decoy", given(gone("fl-1"), blocked("fl-1", Decoy, func(i *Incident) { i.LastError = "fl-9 is in the way" }), live("fl-2", does(rejects), unprotected)), created(role),
			`row fl-2: Protected=true CreatedBy=` + short(role) + ` | fl-1: NextAttemptAt=now`},
		{"outside of the destinations", given(live("fl-1"), live("fl-2", does(rejects), excluded)), created(role), `row fl-2: CreatedBy=` + short(role)},
		{"where a rule treats it as anybody", given(live("fl-1"), live("fl-2", does(rejects), unprotected), restoring), created(role),
			`row fl-2: CreatedBy=` + short(role)},
		{"made by somebody else", given(live("fl-1"), live("fl-2", does(rejects), unprotected)), created("arn:eve"), `row fl-2: CreatedBy=arn:eve`},
		{"in the way of a restore", given(gone("fl-1"), pending("fl-1"), live("fl-2", does(rejects), by)), exists, `
			fl-1: State=blocked Reason=managed Advice="a telemetry rule of CloudWatch made fl-2…" AbsentAt=now NextAttemptAt=+15s Tried=1 LastError="fl-2 is in the way, made by arn:aws:iam:…" Stuck=blocked("fl-2 is in the way, made by arn:aws:iam:…") StuckNews=true
			logged fl-1 blocked/managed: fl-2 is in the way, made by ` + role + `
			note stuck fl-1`},
	})
}

// TestReplacedByTelemetry: the incident is closed as replaced, and AWS's telemetry role of the flow log's own account
// is its actor.
func TestReplacedByTelemetry(t *testing.T) {
	t.Parallel()
	s := inventory.Scope{Account: "111122223333", Region: "eu-west-1"}
	elsewhere := inventory.Scope{Account: "999988887777", Region: "eu-west-1"}
	by := func(principal string) *alert.Actor { return &alert.Actor{ARN: principal} }
	for name, c := range map[string]struct {
		i    Incident
		want bool
	}{
		"it is":         {Incident{State: Closed, Reason: Replaced, Actor: by(TelemetryRole(s))}, true},
		"by a pipeline": {Incident{State: Closed, Reason: Replaced, Actor: by("arn:aws:iam::111122223333:role/terraform")}, false},
		"by the telemetry role of another account": {Incident{State: Closed, Reason: Replaced, Actor: by(TelemetryRole(elsewhere))}, false},
		"nobody knows by whom":                     {Incident{State: Closed, Reason: Replaced}, false},
		"its resource is gone":                     {Incident{State: Closed, Reason: ResourceGone, Actor: by(TelemetryRole(s))}, false},
		"it waits for replacement":                 {Incident{State: Open, Actor: by(TelemetryRole(s))}, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c.i.Scope = s
			if got := ReplacedByTelemetry(c.i); got != c.want {
				t.Errorf("%t", got)
			}
		})
	}
}
