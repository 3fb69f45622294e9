package sink

import (
	"bytes"
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"flowkeeper/alert"
	"flowkeeper/alert/alerttest"
)

var update = flag.Bool("update", false, "write testdata/golden")

// samples are one alert of each kind, as remediate and the daemon make them.
func samples() map[alert.Kind]alert.Alert {
	out := map[alert.Kind]alert.Alert{}
	add := func(kind alert.Kind, level alert.Level, change func(a *alert.Alert)) {
		a := alerttest.Deletion()
		a.Actor.Via = "CLI"
		a.ID, a.Kind, a.Level = alert.ID("golden", string(kind)), kind, level
		if slices.Contains([]alert.Kind{alert.Deletion, alert.Restored, alert.Blocked, alert.Closed, alert.Flapping, alert.Decoy}, kind) {
			a.CampaignID = alert.CampaignID("golden")
		}
		change(&a)
		a.Write()
		out[kind] = a
	}
	add(alert.Deletion, alert.Critical, func(a *alert.Alert) {
		a.Recent = []alert.RecentCalls{{EventName: "DescribeFlowLogs", Calls: 4}, {EventName: "DeleteFlowLogs", Calls: 2, Refused: 1, FlowLogs: 3}}
		a.RaisedBy = []string{"no_mfa"}
		a.FlowLogs = append(a.FlowLogs, alert.FlowLog{FlowLogID: "fl-0aaaaaaaaaaaaaaa2", ResourceID: "vpc-0bbb", State: "closed", Reason: "released"})
	})
	add(alert.Attempt, alert.Medium, func(a *alert.Alert) {
		a.EventTime, a.DeletedAt = a.DeletedAt, nil
		a.FailedFlowLogs, a.FlowLogs = a.FlowLogs, nil
		a.FailedFlowLogs[0].ErrorCode, a.FailedFlowLogs[0].State = "Client.UnauthorizedOperation", ""
	})
	add(alert.Restored, alert.Low, func(a *alert.Alert) {
		a.FlowLogs[0].State, a.FlowLogs[0].NewFlowLogID, a.FlowLogs[0].BlindSeconds = "restored", "fl-0bbbbbbbbbbbbbbb1", new(4.2)
	})
	add(alert.Blocked, alert.Critical, func(a *alert.Alert) {
		a.FlowLogs[0].State, a.FlowLogs[0].Reason = "blocked", "permission"
		a.FlowLogs[0].Advice = "allow ec2:CreateFlowLogs to Flowkeeper's role"
	})
	add(alert.Closed, alert.Informational, func(a *alert.Alert) {
		a.FlowLogs[0].State, a.FlowLogs[0].NewFlowLogID = "verified", "fl-0bbbbbbbbbbbbbbb1"
	})
	add(alert.Flapping, alert.Critical, func(a *alert.Alert) {
		a.FlowLogs[0].ErrorMessage = "5 restores within an hour"
		a.FlowLogs[0].Advice = "somebody deletes it each time: stop them"
	})
	add(alert.Decoy, alert.Critical, func(a *alert.Alert) {
		a.FlowLogs[0].DifferencesFound = []string{"traffic type REJECT instead of ALL"}
	})
	add(alert.Tamper, alert.Critical, func(a *alert.Alert) {
		a.Rule = &alert.Rule{ID: "6e1d", Title: "AWS S3 Bucket Deleted Or Its Policy Or Lifecycle Changed"}
		a.EventTime, a.DeletedAt, a.RaisedBy = a.DeletedAt, nil, []string{"destination_gone"}
		a.Cause, a.Target = "DeleteBucket of flow-logs, the destination of 1 flow log", "arn:aws:s3:::flow-logs"
		a.Advice = "compare the bucket's policy and lifecycle with your own code and put them back"
		a.FlowLogs[0].State = ""
	})
	add(alert.Pipeline, alert.High, func(a *alert.Alert) {
		*a, _, _ = alert.NotTaken("pager", alert.Alert{ID: "alrt_given", Time: alerttest.At("2026-02-26T12:00:00Z")}, "pagerduty pager: answered 400 Bad Request: check its routing_key", "", a.Time.Time)
	})
	add(alert.Destination, alert.High, func(a *alert.Alert) {
		a.Actor, a.DeletedAt, a.EventID, a.Source, a.Rule = nil, nil, "", "", nil
		a.Cause, a.Advice = "arn:aws:s3:::flow-logs", "see who made it, and whether that place is yours"
		a.FlowLogs[0].CreatedBy, a.FlowLogs[0].State = "arn:aws:iam::111122223333:user/mallory", ""
	})
	add(alert.Test, alert.Informational, func(a *alert.Alert) {
		*a = alert.Alert{ID: a.ID, DedupKey: a.DedupKey, Time: a.Time, Kind: alert.Test, Level: alert.Informational, Advice: "nothing: somebody typed `flowkeeper alerts test`"}
	})
	return out
}

// TestGolden compares what receivers get for each kind: people and their tools see every
// change of it. `go test ./alert/sink -run Golden -update` writes the files.
func TestGolden(t *testing.T) {
	t.Parallel()
	all := samples()
	for _, kind := range alerttest.Kinds {
		a, ok := all[kind]
		if !ok && kind != alerttest.UnknownKind {
			t.Errorf("no sample of %s", kind)
		}
		if !ok {
			continue
		}
		t.Run(string(kind), func(t *testing.T) {
			t.Parallel()
			h := newTestSinks(t)
			h.send(t, a)
			golden(t, string(kind)+".json", h.webhook.last(t))
			golden(t, string(kind)+".slack.json", h.slack.last(t))
			golden(t, string(kind)+".pagerduty.json", h.pager.last(t))
		})
	}
}

func golden(t *testing.T, name string, got []byte) {
	t.Helper()
	file := filepath.Join("testdata", "golden", name)
	var pretty bytes.Buffer
	if err := json.Indent(&pretty, got, "", "  "); err != nil {
		t.Fatal(err)
	}
	pretty.WriteByte('\n')
	if *update {
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, pretty.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(string(want), pretty.String()); d != "" {
		t.Errorf("%s: -want +got:\n%s", name, d)
	}
}
