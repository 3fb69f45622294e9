package notify_test

import (
	"testing"

	"flowkeeper/alert"
	"flowkeeper/internal/cloudtrail"
	"flowkeeper/internal/detection"
	"flowkeeper/inventory"
	"flowkeeper/remediate/incident"
	"flowkeeper/remediate/notify"
)

func TestDecoyMade(t *testing.T) {
	t.Parallel()
	settings := inventory.Settings{ResourceID: "vpc-1", TrafficType: "ALL", LogDestinationType: "s3", LogDestination: "arn:aws:s3:::logs"}
	gone := with(lost("fl-1", incident.Open), func(i *incident.Incident) { i.ResourceID, i.Frozen = "vpc-1", settings })
	decoy := row("fl-2", func(r *inventory.Row) {
		r.Settings, r.Protected = settings, false
		r.TrafficType = "REJECT"
	})
	changed := func(change func(*inventory.Row)) []inventory.Row {
		r := decoy
		change(&r)
		return []inventory.Row{r}
	}
	byRule := incident.Policy{Rules: []incident.Rule{{Principal: mallory, Action: incident.Wait}}}
	for name, tt := range map[string]struct {
		policy    incident.Policy
		rows      []inventory.Row
		incidents []incident.Incident
		want      bool
	}{
		"it records less":                   {incident.Policy{}, []inventory.Row{decoy}, []incident.Incident{gone}, true},
		"nothing is lost":                   {incident.Policy{}, []inventory.Row{decoy}, nil, false},
		"the snapshot does not have it yet": {incident.Policy{}, nil, []incident.Incident{gone}, false},
		"it is protected":                   {incident.Policy{}, changed(func(r *inventory.Row) { r.Protected = true }), []incident.Incident{gone}, false},
		"it is not to be protected":         {incident.Policy{}, changed(func(r *inventory.Row) { r.Excluded = true }), []incident.Incident{gone}, false},
		"it delivers elsewhere":             {incident.Policy{}, changed(func(r *inventory.Row) { r.LogDestination = "arn:aws:s3:::other" }), []incident.Incident{gone}, false},
		"a rule lets its maker replace":     {byRule, []inventory.Row{decoy}, []incident.Incident{gone}, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := &incident.Case{Scope: scope, Policy: tt.policy, Now: noon}
			c.Load(tt.rows, tt.incidents)
			f := detection.Finding{Kind: detection.Created, Rule: detection.Rule{Level: alert.Low}, Record: cloudtrail.Record{Account: scope.Account, Region: scope.Region, EventID: "e-2",
				EventName: "CreateFlowLogs", Identity: cloudtrail.Identity{Type: "IAMUser", ARN: mallory}}}
			a, ok := notify.DecoyMade(f, c, "fl-2")
			if ok != tt.want {
				t.Fatalf("there is an alert: %v, want %v", ok, tt.want)
			}
			if ok && (a.Kind != alert.Tamper || a.Level != alert.High || a.Target != "fl-2" || len(a.FlowLogs) != 1 || a.FlowLogs[0].FlowLogID != "fl-1") {
				t.Errorf("the alert is %+v", a)
			}
		})
	}
}
