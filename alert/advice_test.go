package alert_test

import (
	"strings"
	"testing"

	"flowkeeper/alert"
)

// TestCommandOfATamperAlert: a flow log that tampering threatens has no incident, so that
// `flowkeeper incidents show` would fail.
func TestCommandOfATamperAlert(t *testing.T) {
	t.Parallel()
	a := alert.Alert{Kind: alert.Tamper, EventID: "e1", FlowLogs: []alert.FlowLog{{FlowLogID: "fl-0aaaaaaaaaaaaaaa1"}}}
	if strings.Contains(a.Words().Command(), "incidents") {
		t.Error(a.Words().Command())
	}
}

// TestNoLookupOfFlowkeepersOwnEventID: CloudTrail does not have an event ID that Flowkeeper
// has made.
func TestNoLookupOfFlowkeepersOwnEventID(t *testing.T) {
	t.Parallel()
	a := alert.Alert{Kind: alert.Tamper, Region: "eu-west-1", EventID: alert.UnnamedEvent.ID("alrt_6bjpeaklft2oylt24fhkmk46uy"), Actor: &alert.Actor{AccessKeyID: "AKIAEXAMPLE"}}
	a.Write()
	if strings.Contains(a.Text, "AttributeValue=without-id") {
		t.Error(a.Text)
	}
}
