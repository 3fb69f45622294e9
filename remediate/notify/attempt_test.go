package notify_test

import (
	"fmt"
	"slices"
	"testing"

	"flowkeeper/alert"
	"flowkeeper/internal/cloudtrail"
	"flowkeeper/internal/detection"
	"flowkeeper/inventory"
	"flowkeeper/remediate/incident"
	"flowkeeper/remediate/notify"
)

// TestAttempt: the alert of a refused deletion names the flow logs that the snapshot has first, with
// what it knows of them. The order of the IDs in the call does not change the ID of the alert.
func TestAttempt(t *testing.T) {
	t.Parallel()
	known := &incident.Case{Scope: scope}
	known.Load([]inventory.Row{row("fl-2", func(*inventory.Row) {})}, nil)
	attempt := func(ids ...string) detection.Finding {
		f := detection.Finding{Kind: detection.Attempted, Rule: detection.Rule{Level: alert.Low}, Record: cloudtrail.Record{Account: scope.Account, Region: scope.Region, EventID: "e-1"}}
		for _, id := range ids {
			f.Failed = append(f.Failed, cloudtrail.Refusal{FlowLogID: id, Code: "Client.UnauthorizedOperation"})
		}
		return f
	}
	f := attempt("fl-1", "fl-2", "fl-3")
	a := notify.NewAttempt(f, known)
	var ids []string
	for _, l := range a.Failed {
		ids = append(ids, l.FlowLogID)
	}
	if want := []string{"fl-2", "fl-1", "fl-3"}; !slices.Equal(ids, want) {
		t.Errorf("the alert names %q, want %q", ids, want)
	}
	if l := a.Failed[0]; l.ResourceID != "vpc-1" || l.Destination != "arn:aws:s3:::fl-2" || a.Failed[1].ResourceID != "" {
		t.Errorf("the flow logs are %+v", a.Failed)
	}
	if len(a.Known) != 1 || a.Known[0].FlowLogID != "fl-2" || a.Known[0].ResourceID != "vpc-1" {
		t.Errorf("known are %+v", a.Known)
	}
	raised := a.Alert(f, []string{alert.ByRoot}, noon)
	if raised.Kind != alert.Attempt || !raised.Level.AtLeast(alert.Medium) || !slices.Equal(raised.RaisedBy, []string{alert.ByRoot}) {
		t.Errorf("the alert is %s of level %s, raised by %q", raised.Kind, raised.Level, raised.RaisedBy)
	}
	other := attempt("fl-3", "fl-1", "fl-2")
	if again := notify.NewAttempt(other, known).Alert(other, nil, noon); again.ID != raised.ID {
		t.Error("the order of the IDs changes the ID of the alert")
	}
}

// TestAttemptIsBounded: of a thousand IDs, mostly with the same message, the first 50 and
// five messages are kept.
func TestAttemptIsBounded(t *testing.T) {
	t.Parallel()
	var all []cloudtrail.Refusal
	for n := range 1000 {
		all = append(all, cloudtrail.Refusal{FlowLogID: fmt.Sprintf("fl-%04d", n), Code: "InvalidFlowLogId.NotFound", Message: "not found"})
	}
	for n := range 10 {
		all[10+n].Message = fmt.Sprint("another text ", n)
	}
	a := notify.NewAttempt(detection.Finding{Failed: all}, &incident.Case{})
	logs, omitted := a.Failed, a.Omitted
	texts := 0
	for _, f := range logs {
		if f.ErrorMessage != "" {
			texts++
		}
	}
	if len(logs) != 50 || omitted != 950 || texts != 5 || logs[1].ErrorCode == "" {
		t.Errorf("%d IDs with %d texts are kept and %d omitted, want 50, 5 and 950", len(logs), texts, omitted)
	}
}
