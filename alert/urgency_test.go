package alert_test

import (
	"testing"

	"flowkeeper/alert"
)

// TestASummaryIsNoMoreUrgentThanWhatItSumsUp: the summary of deletions of unknown flow logs
// lists no flow logs, but has the same urgency as an alert about one of them.
func TestASummaryIsNoMoreUrgentThanWhatItSumsUp(t *testing.T) {
	t.Parallel()
	lost := alert.Alert{Kind: alert.Deletion, Level: alert.High, FlowLogs: []alert.FlowLog{{FlowLogID: "fl-1", ResourceID: "vpc-1"}}}
	one := alert.Alert{Kind: alert.Deletion, Level: alert.Critical, FlowLogs: []alert.FlowLog{{FlowLogID: "fl-2"}}}
	many := alert.Alert{Kind: alert.Deletion, Level: alert.Critical, Repeats: &alert.Repeats{Calls: 12, FlowLogs: 24}}
	if many.Urgency() != one.Urgency() || many.Urgency() <= lost.Urgency() {
		t.Errorf("many: %d, one: %d, what was lost: %d", many.Urgency(), one.Urgency(), lost.Urgency())
	}
}

func TestRaisedBy(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		level alert.Level
		facts []string
		want  alert.Level
	}{
		"no facts":                   {alert.Medium, nil, alert.Medium},
		"two facts are one step":     {alert.Medium, []string{alert.ByRoot, alert.NoMFA}, alert.High},
		"no level is above critical": {alert.Critical, []string{alert.ByRoot}, alert.Critical},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if got := c.level.RaisedBy(c.facts); got != c.want {
				t.Errorf("%s by %q: %s, want %s", c.level, c.facts, got, c.want)
			}
		})
	}
}

// TestInCampaign: the alert that ends a campaign is routed by the most urgent alert of the campaign. The closed alert
// of one deletion among several keeps its own route.
func TestInCampaign(t *testing.T) {
	t.Parallel()
	closed := alert.Alert{Kind: alert.Closed, Level: alert.Informational, RouteLevel: alert.High, CampaignID: "c"}
	open := closed
	open.CampaignOpen = true
	for name, tt := range map[string]struct {
		of          alert.Alert
		before      alert.Level
		route, most alert.Level
	}{
		"the first one":               {alert.Alert{Kind: alert.Deletion, Level: alert.High}, "", "", alert.High},
		"a more urgent one":           {alert.Alert{Kind: alert.Blocked, Level: alert.Critical}, alert.High, "", alert.Critical},
		"a less urgent one":           {alert.Alert{Kind: alert.Deletion, Level: alert.High}, alert.Critical, "", alert.Critical},
		"one is restored":             {alert.Alert{Kind: alert.Restored, Level: alert.Low}, "", "", ""},
		"one of two events is closed": {open, alert.Critical, alert.High, alert.Critical},
		"the campaign ends":           {closed, alert.Critical, alert.Critical, alert.Critical},
		"the campaign ends, and no earlier alert is known": {closed, "", alert.High, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			a, most := tt.of.InCampaign(tt.before)
			if a.RouteLevel != tt.route || most != tt.most {
				t.Errorf("routed by %q, the most urgent is %q; want %q, %q", a.RouteLevel, most, tt.route, tt.most)
			}
		})
	}
}
