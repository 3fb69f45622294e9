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
	for _, c := range []struct {
		level alert.Level
		facts []string
		want  alert.Level
	}{
		{alert.Medium, nil, alert.Medium},
		{alert.Medium, []string{alert.ByRoot, alert.NoMFA}, alert.High}, // one step
		{alert.Critical, []string{alert.ByRoot}, alert.Critical},
	} {
		if got := c.level.RaisedBy(c.facts); got != c.want {
			t.Errorf("%s by %q: %s, want %s", c.level, c.facts, got, c.want)
		}
	}
}
