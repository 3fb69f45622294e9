package alert_test

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"flowkeeper/alert"
)

// TestRepeatedCallsAreSummedUp: the title and the text sum up the calls, and foreign text in
// them is cleaned.
func TestRepeatedCallsAreSummedUp(t *testing.T) {
	t.Parallel()
	at := alert.Time{Time: time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)}
	base := alert.Alert{Level: alert.High, Account: "111122223333", Region: "eu-west-1", Actor: &alert.Actor{Type: "IAMUser", ARN: "arn:aws:iam::111122223333:user/nobody"}, Cause: "PutBucketPolicy of flow-logs, the destination of 3 flow logs",
		Repeats: &alert.Repeats{Calls: 299, FlowLogs: 299000, From: at, To: alert.Time{Time: at.Add(4 * time.Minute)}, Examples: []alert.Call{
			{EventID: "e1\x1b[2J", EventName: "DeleteFlowLogs", Time: &at, ErrorCode: "Client.UnauthorizedOperation", FlowLogs: 1000, Target: strings.Repeat("x", 1000)}}}}
	for kind, title := range map[alert.Kind]string{
		alert.Attempt:  "299 more attempts to delete flow logs by user/nobody in 111122223333 eu-west-1",
		alert.Deletion: "299 more records of deletions by user/nobody in 111122223333 eu-west-1: Flowkeeper never saw these flow logs",
		alert.Tamper:   "Tampering, 299 more calls by user/nobody in 111122223333 eu-west-1: PutBucketPolicy of flow-logs, the destination of 3 flow logs",
		alert.Closed:   "Finished: 299 records of deletions of flow logs that Flowkeeper never saw in 111122223333 eu-west-1",
	} {
		t.Run(string(kind), func(t *testing.T) {
			a := base
			a.Kind = kind
			a.Write()
			if a.Title != title {
				t.Error(a.Title)
			}
			for _, want := range []string{"Repeated: 299 calls", ", which name 299000 flow logs", "  DeleteFlowLogs of xxx", "Client.UnauthorizedOperation, event e1\\x1b[2J", "  and 298 more"} {
				if !strings.Contains(a.Text, want) {
					t.Errorf("no %q in %s", want, a.Text)
				}
			}
			if b, err := json.Marshal(a); err != nil || len(b) > 4000 || strings.Contains(string(b), "\x1b") {
				t.Errorf("%d bytes, %v", len(b), err)
			}
			if kind != alert.Closed && a.Resolves() {
				t.Error("the summary resolves a pager incident")
			}
		})
	}
	several := base
	several.Kind, several.Repeats = alert.Attempt, &alert.Repeats{Calls: 2, Several: true}
	if several.Write(); !strings.HasPrefix(several.Title, "2 more attempts to delete flow logs by several principals in") {
		t.Error(several.Title)
	}
	if show := "flowkeeper alerts show " + several.ID; !strings.Contains(several.Text, "To do: find out who they are: "+show) || several.Words().Command() != show {
		t.Error(several.Text)
	}
}
