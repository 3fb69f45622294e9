package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"flowkeeper/alert"
	"flowkeeper/alert/alerttest"
	"flowkeeper/alert/sink"
	"flowkeeper/internal/organization"
	"flowkeeper/internal/store"
	"flowkeeper/inventory"
	"flowkeeper/remediate/incident"
)

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"flowkeeper": main})
}

// TestScripts runs testdata/script/*.txtar: what users type, what they see,
// and the exit code.
func TestScripts(t *testing.T) {
	t.Parallel()
	testscript.Run(t, testscript.Params{
		Dir:                 filepath.Join("testdata", "script"),
		RequireExplicitExec: true,
		RequireUniqueNames:  true,
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"seed":         seed,
			"exit":         exit,
			"aws":          fakeAWS,
			"apart":        apart,
			"organization": organizationOf,
			"hook":         hook,

			"pack":   pack,
			"upload": upload,
			"refuse": refuse,

			"listen":    listen,
			"answers":   answers,
			"terminate": terminate,

			"shared-file": sharedFile,
			"rotate":      rotate,

			"envsubst": envsubst,
		},
		Setup: func(e *testscript.Env) error {
			e.Vars = append(e.Vars, "AWS_EC2_METADATA_DISABLED=true", "AWS_ACCESS_KEY_ID=111122223333", "AWS_SECRET_ACCESS_KEY=any", "ESC=\x1b[2J")
			return nil
		},
	})
}

// envsubst FROM TO copies a file, and replaces the script's variables in it.
func envsubst(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: envsubst FROM TO")
	}
	ts.Check(os.WriteFile(ts.MkAbs(args[1]), []byte(os.Expand(ts.ReadFile(args[0]), ts.Getenv)), 0o600))
}

// exit CODE COMMAND... runs a command, which must end with this exit code.
func exit(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: exit CODE COMMAND...")
	}
	err := ts.Exec(args[1], args[2:]...)
	code := 0
	var failed interface{ ExitCode() int }
	if errors.As(err, &failed) {
		code = failed.ExitCode()
	} else if err != nil {
		ts.Fatalf("%v", err)
	}
	if fmt.Sprint(code) != args[0] {
		ts.Fatalf("exit code %d, want %s", code, args[0])
	}
}

var (
	scope = inventory.Scope{Account: "111122223333", Region: "eu-west-1"}
	noon  = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
)

// seed FILE [trouble|members|several|named] creates a state file as a daemon would have left it, with these flow logs:
//
//	fl-000000a1  live, of vpc-1, to S3
//	fl-000000b2  live, of vpc-2, to CloudWatch Logs
//	fl-000000c3  gone, of subnet-3; deleted by mallory, restored as fl-000000d4
//	fl-000000d4  live, the replacement of fl-000000c3
//	fl-000000e5  unknown; its incident has escape sequences in the user agent
//
// The second argument adds to it:
//
//	trouble  fl-000000a1 and fl-000000b2 are gone. EC2 throttles the restore of the first; a decoy is in the place of
//	         the second. There is also an alert about an account without flow logs.
//	members  an account of the organisation that is protected, and one that has departed
//	several  vpc-1 had a second flow log, and both are gone
//	named    vpc-1 has the tag Name
func seed(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) == 0 {
		ts.Fatalf("usage: seed FILE [trouble|members|several|named]")
	}
	ctx := context.Background()
	s, err := store.Open(ctx, ts.MkAbs(args[0]), store.Options{Daemon: true, Routes: alerttest.To{"hook", "log"}})
	ts.Check(err)
	ts.Check(s.Update(ctx, fill))
	more, known := map[string]func(*store.Tx) error{"trouble": trouble, "members": members, "several": several, "named": func(*store.Tx) error { return nil }}[strings.Join(args[1:], " ")]
	if known {
		ts.Check(s.Update(ctx, more))
	} else if len(args) > 1 {
		ts.Fatalf("usage: seed FILE [trouble|members|several|named]")
	}
	if len(args) > 1 && args[1] == "named" {
		ts.Check(s.SetResourceNames(ctx, scope, []string{"vpc-1", "vpc-2"}, map[string]string{"vpc-1": "payments"}))
	}
	ts.Check(s.Refreshed(ctx, scope, noon, noon.Add(time.Second)))
	ts.Check(s.Sent(ctx, "log", "alrt_one", noon.Add(2*time.Second)))
	ts.Check(s.Failed(ctx, "hook", "alrt_one", sink.Failure{Attempts: 3, NextAt: noon.Add(time.Hour), Cause: "answered 503"}))
	ts.Check(s.Close())
	ts.Check(os.Remove(ts.MkAbs(args[0]) + ".lock"))
}

func fill(tx *store.Tx) error {
	errs := []error{}
	for _, r := range rows() {
		errs = append(errs, tx.PutFlowLog(r))
	}
	for _, i := range incidents() {
		errs = append(errs, tx.PutIncident(i),
			tx.AddHistory(scope, i.FlowLogID, incident.Entry{At: i.DetectedAt, State: incident.Open, Text: "named by a record of DeleteFlowLogs", EventID: i.EventID, Actor: i.Actor}, i.Known),
			tx.AddHistory(scope, i.FlowLogID, incident.Entry{At: i.DetectedAt.Add(time.Second), State: i.State, Reason: i.Reason, Text: "decided"}, i.Known))
	}
	a := alert.Alert{ID: "alrt_one", DedupKey: "flowkeeper-one", Time: alert.Time{Time: noon}, Kind: alert.Deletion, Level: alert.High,
		Account: scope.Account, Region: scope.Region, EventID: "event-1", Source: "event", FlowLogs: []alert.FlowLog{{FlowLogID: "fl-000000c3", ResourceID: "subnet-3"}}}
	a.Write()
	return errors.Join(append(errs, tx.AddAlert(a))...)
}

// members adds an account that is protected, and one that has departed.
func members(tx *store.Tx) error {
	security := organization.Account{ID: scope.Account, Name: "security", Path: "Root", State: organization.Active, Selected: true}
	old := organization.Account{ID: "444455556666", Name: "old-prod", Path: "Root/Old", State: organization.Active}
	return errors.Join(tx.PutMember(organization.Member{Account: security, FirstAt: noon}),
		tx.PutMember(organization.Member{Account: old, FirstAt: noon, LeftAt: noon, Why: organization.Left}))
}

func trouble(tx *store.Tx) error {
	slow, decoy := rows()[0], rows()[1]
	slow.State, slow.GoneAt, decoy.State, decoy.GoneAt = inventory.Gone, noon, inventory.Gone, noon
	of := func(r inventory.Row, state incident.State) incident.Incident {
		return incident.Incident{Scope: scope, FlowLogID: r.ID, RootID: r.ID, ResourceID: r.ResourceID, State: state, Source: incident.ByEvent, EventID: "event-3",
			Action: incident.Restore, DeletedAt: noon, DetectedAt: noon, AbsentAt: noon, Known: true, Frozen: r.Settings, Attempts: 3, NextAttemptAt: noon.Add(time.Minute)}
	}
	a, b := of(slow, incident.Open), of(decoy, incident.Blocked)
	a.LastError = "RequestLimitExceeded: Request limit exceeded."
	b.Reason, b.Advice, b.LastError = incident.Decoy, "delete fl-000000de, and this one comes back", "fl-000000de is in the way"
	b.Stuck = &incident.Stuck{Kind: alert.Decoy, Message: b.LastError, Advice: b.Advice, Differences: []string{"traffic_type: REJECT instead of ALL"}}
	elsewhere := alert.Alert{ID: "alrt_two", DedupKey: "flowkeeper-two", Time: alert.Time{Time: noon}, Kind: alert.Tamper, Level: alert.High, Account: "444455556666", Cause: "StopLogging of main"}
	elsewhere.Write()
	return errors.Join(tx.PutFlowLog(slow), tx.PutFlowLog(decoy), tx.PutIncident(a), tx.PutIncident(b), tx.AddAlert(elsewhere))
}

// several adds the loss of two flow logs of one resource, which are not restored yet.
func several(tx *store.Tx) error {
	one, two := rows()[0], rows()[0]
	two.ID, two.RootID = "fl-000000f6", "fl-000000f6"
	var errs []error
	for _, r := range []inventory.Row{one, two} {
		r.State, r.GoneAt = inventory.Gone, noon
		errs = append(errs, tx.PutFlowLog(r), tx.PutIncident(incident.Incident{
			Scope: scope, FlowLogID: r.ID, RootID: r.ID, ResourceID: r.ResourceID, State: incident.Open, Source: incident.ByEvent, EventID: "event-4",
			Action: incident.Restore, DeletedAt: noon, DetectedAt: noon, AbsentAt: noon, Known: true, Frozen: r.Settings, NextAttemptAt: noon,
		}))
	}
	return errors.Join(errs...)
}

func rows() []inventory.Row {
	row := func(id, resource string, s inventory.Settings) inventory.Row {
		s.ResourceID = resource
		return inventory.Row{
			FlowLog: inventory.FlowLog{ID: id, Scope: scope, Settings: s, Status: "ACTIVE", CreatedAt: noon.Add(-48 * time.Hour)},
			RootID:  id, State: inventory.Live, Protected: true,
			FirstSeenAt: noon.Add(-24 * time.Hour), LastSeenAt: noon.Add(-time.Hour), WrittenAt: noon.Add(-24 * time.Hour),
		}
	}
	s3 := inventory.Settings{TrafficType: "ALL", LogDestinationType: "s3", LogDestination: "arn:aws:s3:::example/prefix", MaxAggregationInterval: 600,
		LogFormat: "${version} ${srcaddr}", DestinationOptions: &inventory.DestinationOptions{FileFormat: "parquet", PerHourPartition: true},
		Tags: map[string]string{"Name": "edge", "owner": "platform"}}
	cw := inventory.Settings{TrafficType: "REJECT", LogDestinationType: "cloud-watch-logs", LogGroupName: "/vpc/flow-logs",
		DeliverLogsPermissionARN: "arn:aws:iam::111122223333:role/flow-logs", MaxAggregationInterval: 60}
	lost, back := row("fl-000000c3", "subnet-3", s3), row("fl-000000d4", "subnet-3", s3)
	lost.State, lost.GoneAt, back.RootID = inventory.Gone, noon, "fl-000000c3"
	return []inventory.Row{row("fl-000000a1", "vpc-1", s3), row("fl-000000b2", "vpc-2", cw), lost, back}
}

func incidents() []incident.Incident {
	no := false
	mallory := &alert.Actor{Type: "IAMUser", ARN: "arn:aws:iam::111122223333:user/mallory", AccessKeyID: "AKIAEXAMPLE", MFA: &no, SourceIP: "198.51.100.7", UserAgent: "aws-cli/2.17"}
	evil := *mallory
	evil.UserAgent = "curl\x1b[2J\u009b2J\u202egnp"
	return []incident.Incident{
		{Scope: scope, FlowLogID: "fl-000000c3", RootID: "fl-000000c3", ResourceID: "subnet-3", State: incident.Verified, Source: incident.ByEvent, EventID: "event-1",
			Actor: mallory, Action: incident.Restore, DeletedAt: noon, DetectedAt: noon.Add(500 * time.Millisecond), LastSeenAt: noon.Add(-time.Minute),
			FirstSeenAt: noon.Add(-24 * time.Hour), RestoredAt: noon.Add(1300 * time.Millisecond), VerifiedAt: noon.Add(10 * time.Minute),
			Known: true, Frozen: rows()[2].Settings, NewID: "fl-000000d4", Attempts: 1},
		{Scope: scope, FlowLogID: "fl-000000e5", RootID: "fl-000000e5", State: incident.Closed, Reason: incident.Unknown, Source: incident.ByEvent, EventID: "event-2",
			Actor: &evil, DeletedAt: noon.Add(time.Hour), DetectedAt: noon.Add(time.Hour), Advice: "Flowkeeper never saw this flow log"},
	}
}
