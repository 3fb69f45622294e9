package alert_test

import (
	"strings"
	"testing"

	"flowkeeper/alert"
)

// A tampered flow log has no incident: "incidents show" ends with 1.
func TestDetailsOfATampering(t *testing.T) {
	t.Parallel()
	a := alert.Alert{Kind: alert.Tamper, EventID: "e1", FlowLogs: []alert.FlowLog{{FlowLogID: "fl-0aaaaaaaaaaaaaaa1"}}}
	if strings.Contains(a.Command(), "incidents") {
		t.Error(a.Command())
	}
}

// An event ID that Flowkeeper made up is nothing that CloudTrail could look up.
func TestNoLookupOfAnInventedID(t *testing.T) {
	t.Parallel()
	a := alert.Alert{Kind: alert.Tamper, Region: "eu-west-1", EventID: alert.UnnamedEvent.ID("alrt_6bjpeaklft2oylt24fhkmk46uy"), Actor: &alert.Actor{AccessKeyID: "AKIAEXAMPLE"}}
	a.Write()
	if strings.Contains(a.Text, "AttributeValue=without-id") {
		t.Error(a.Text)
	}
}
