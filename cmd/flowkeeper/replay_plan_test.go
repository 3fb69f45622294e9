package main

import (
	"testing"
	"time"

	"flowkeeper/alert"
	"flowkeeper/internal/cloudtrail"
	"flowkeeper/internal/detection"
	"flowkeeper/inventory"
	"flowkeeper/remediate/incident"
)

// TestPlanFollowsTheOrderOfDeciding: replay names the reason that the daemon would
// give, also if there are several.
func TestPlanFollowsTheOrderOfDeciding(t *testing.T) {
	t.Parallel()
	const ops = "arn:aws:iam::111122223333:role/ops"
	rule := func(x incident.Action) []incident.Rule {
		return []incident.Rule{{Principal: "arn:aws:iam::111122223333:role/o*", Action: x, Wait: time.Hour}}
	}
	released := func(r *inventory.Row) { r.ReleasedAt, r.ReleasedUntil = noon.Add(-time.Hour), noon.Add(time.Hour) }
	for _, c := range []struct {
		name   string
		change func(*inventory.Row)
		policy incident.Policy
		want   string
	}{
		{"nothing speaks against it", nil, incident.Policy{}, "restore"},
		{"released", released, incident.Policy{}, "released"},
		{"released too late", func(r *inventory.Row) { r.ReleasedAt, r.ReleasedUntil = noon.Add(time.Second), noon.Add(time.Hour) }, incident.Policy{}, "restore"},
		{"not protected", func(r *inventory.Row) { r.Protected = false }, incident.Policy{}, "exempt"},
		{"imported only", func(r *inventory.Row) { r.Imported = true }, incident.Policy{}, "unknown"},
		{"ignored", nil, incident.Policy{Rules: rule(incident.Ignore)}, "exempt"},
		{"alert by rule", nil, incident.Policy{Rules: rule(incident.Alert)}, "alert_only"},
		{"alert by mode", nil, incident.Policy{AlertOnly: true}, "alert_only"},
		{"the mode is above a wait", nil, incident.Policy{AlertOnly: true, Rules: rule(incident.Wait)}, "alert_only"},
		{"a release is above the mode", released, incident.Policy{AlertOnly: true}, "released"},
		{"wait", nil, incident.Policy{Rules: rule(incident.Wait)}, "wait"},
		{"{account} is the flow log's own", nil, incident.Policy{Rules: []incident.Rule{{Principal: "arn:aws:iam::{account}:role/ops", Action: incident.Alert}}}, "alert_only"},
		{"restore by rule", nil, incident.Policy{Rules: append(rule(incident.Restore), rule(incident.Ignore)...)}, "restore"},
	} {
		row := inventory.Row{Protected: true, State: inventory.Live, FlowLog: inventory.FlowLog{Scope: scope}}
		if c.change != nil {
			c.change(&row)
		}
		actor := alert.Actor{ARN: "arn:aws:sts::111122223333:assumed-role/ops/x", SessionIssuer: ops}
		if got, why := (planner{policy: c.policy}).decide(row, actor, noon); got != c.want || why == "" {
			t.Errorf("%s: %s (%s) instead of %s", c.name, got, why, c.want)
		}
	}
}

// TestPlanKnowsTheSnapshot: a flow log with the same ID in another scope is unknown,
// and an existing incident is named.
func TestPlanKnowsTheSnapshot(t *testing.T) {
	t.Parallel()
	s := newState(t)
	if err := s.Update(t.Context(), fill); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		region, id, would string
		incident          incident.State
	}{
		{"eu-west-1", "fl-000000a1", "restore", ""},
		{"eu-west-1", "fl-000000c3", "restore", incident.Verified},
		{"us-east-1", "fl-000000a1", "unknown", ""},
		{"eu-west-1", "fl-000000ff", "unknown", ""},
	} {
		f := detection.Finding{Record: cloudtrail.Record{Account: scope.Account, Region: c.region, EventTime: noon}}
		got, err := planner{store: s}.plan(t.Context(), f, c.id)
		if err != nil || got.Would != c.would || got.Incident != c.incident || (got.FlowLog != nil) != (c.would == "restore") {
			t.Errorf("%s in %s: %+v, %v", c.id, c.region, got, err)
		}
	}
}
