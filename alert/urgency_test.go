package alert

import "testing"

// TestASummaryIsNoMoreUrgentThanWhatItSumsUp: of deletions of flow logs that nobody
// knew, it lists none.
func TestASummaryIsNoMoreUrgentThanWhatItSumsUp(t *testing.T) {
	t.Parallel()
	lost := Alert{Kind: Deletion, Level: High, FlowLogs: []FlowLog{{FlowLogID: "fl-1", ResourceID: "vpc-1"}}}
	one := Alert{Kind: Deletion, Level: Critical, FlowLogs: []FlowLog{{FlowLogID: "fl-2"}}}
	many := Alert{Kind: Deletion, Level: Critical, Repeats: &Repeats{Calls: 12, FlowLogs: 24}}
	if many.Urgency() != one.Urgency() || many.Urgency() <= lost.Urgency() {
		t.Errorf("many: %d, one: %d, what was lost: %d", many.Urgency(), one.Urgency(), lost.Urgency())
	}
}
