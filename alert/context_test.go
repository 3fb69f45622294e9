package alert

import (
	"strings"
	"testing"
)

// A tampered flow log has no incident: "incidents show" ends with 1.
func TestDetailsOfATampering(t *testing.T) {
	t.Parallel()
	a := Alert{Kind: Tamper, EventID: "e1", FlowLogs: []FlowLog{{FlowLogID: "fl-0aaaaaaaaaaaaaaa1"}}}
	if strings.Contains((Words{a}).Command(), "incidents") {
		t.Error(Words{a}.Command())
	}
}

// An event ID that Flowkeeper made up is nothing that CloudTrail could look up.
func TestNoLookupOfAnInventedID(t *testing.T) {
	t.Parallel()
	a := Alert{Kind: Tamper, Region: "eu-west-1", EventID: "without-id-alrt_6bjpeaklft2oylt24fhkmk46uy", Actor: &Actor{AccessKeyID: "AKIAEXAMPLE"}}
	a.Write()
	if strings.Contains(a.Text, "AttributeValue=without-id") {
		t.Error(a.Text)
	}
}
