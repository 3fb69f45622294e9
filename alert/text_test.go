package alert_test

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"flowkeeper/alert"
	"flowkeeper/alert/alerttest"
)

// describe is the title and the text that Write gives an alert.
func describe(a alert.Alert) (title, text string) {
	a.Write()
	return a.Title, a.Text
}

func TestDeletionInFull(t *testing.T) {
	t.Parallel()
	a := alerttest.Deletion()
	a.Level, a.RaisedBy = alert.Critical, []string{"whole_vpc", "no_mfa"}
	a.Actor.Via, a.FlowLogs[0].LogFormat = "CLI", "${version} ${srcaddr}"
	a.FlowLogs[0].Tags = map[string]string{"cost": "7", "Owner": "net", "Name": "prod", "env": "live"}
	a.Recent = []alert.RecentCalls{{EventName: "CreateFlowLogs", Calls: 1}, {EventName: "DeleteFlowLogs", Calls: 3, Refused: 1, FlowLogs: 12}}
	title, text := describe(a)
	if want := "Deleted: the flow log of vpc-0aaa by user/mallory in 111122223333 eu-west-1"; title != want {
		t.Errorf("title %q", title)
	}
	want := `Rule: AWS VPC Flow Logs Deleted (0f5c), level critical, raised because a VPC has no other flow log and a person did it without MFA
Who: IAMUser arn:aws:iam::111122223333:user/mallory, access key AKIAEXAMPLE
From: 198.51.100.7
With: CLI (aws-cli/2.17)
MFA: no
When: 2026-03-01 12:02:26 UTC, detected 2 s later
Where: account 111122223333, Region eu-west-1
Event: e1
Before: in the hour before, the same principal called DeleteFlowLogs 3 times, refused once (12 flow logs); CreateFlowLogs once
Deleted:
  fl-0aaaaaaaaaaaaaaa1 of vpc-0aaa to arn:aws:s3:::flow-logs [Name=prod, Owner=net, env=live]
Format: ${version} ${srcaddr}
Flowkeeper: restores it as soon as AWS shows the loss, within AWS's rate limits; another alert follows
To do: if nobody planned this, deactivate the access key: aws iam update-access-key --status Inactive --user-name mallory --access-key-id AKIAEXAMPLE
To investigate:
  aws cloudtrail lookup-events --region eu-west-1 --lookup-attributes AttributeKey=EventId,AttributeValue=e1
  aws cloudtrail lookup-events --region eu-west-1 --lookup-attributes AttributeKey=AccessKeyId,AttributeValue=AKIAEXAMPLE --start-time 2026-03-01T11:02:26Z`
	if text != want {
		t.Errorf("text:\n%s", text)
	}
}

func TestRestoredHasTheTerraformImport(t *testing.T) {
	t.Parallel()
	a := alerttest.Deletion()
	a.Kind, a.Level = alert.Restored, alert.Low
	a.FlowLogs[0].State = "restored"
	a.FlowLogs[0].NewFlowLogID = "fl-0bbb"
	a.FlowLogs[0].BlindSeconds = new(2.34)
	title, text := describe(a)
	if want := "Restored: the flow log of vpc-0aaa after a gap of 2.3 s in 111122223333 eu-west-1"; title != want {
		t.Errorf("title %q", title)
	}
	for _, want := range []string{
		"fl-0aaaaaaaaaaaaaaa1 of vpc-0aaa to arn:aws:s3:::flow-logs: back as fl-0bbb after 2.3 s",
		"  import {\n    to = aws_flow_log.NAME # was fl-0aaaaaaaaaaaaaaa1\n    id = \"fl-0bbb\"\n  }",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("%q missing in\n%s", want, text)
		}
	}
}

// TestI12TerraformTakesPlainIDsOnly: people paste the import block as code, so it must
// contain no foreign text but plain IDs.
func TestI12TerraformTakesPlainIDsOnly(t *testing.T) {
	t.Parallel()
	a := alerttest.Deletion()
	a.Kind = alert.Restored
	a.FlowLogs[0].NewFlowLogID = `fl-"} provisioner`
	if _, text := describe(a); strings.Contains(text, "import {") {
		t.Error(text)
	}
}

func TestBeforeNamesTheWorst(t *testing.T) {
	t.Parallel()
	a := alert.Alert{Recent: []alert.RecentCalls{{EventName: "CreateFlowLogs", Calls: 2}, {EventName: "DeleteBucket", Calls: 1}, {EventName: "DeleteFlowLogs", Calls: 1, FlowLogs: 1},
		{EventName: "PutBucketPolicy", Calls: 1}, {EventName: "PutRule", Calls: 7}, {EventName: "StopLogging", Calls: 1}}}
	if got := a.Words().Before(); got != "in the hour before, the same principal called DeleteFlowLogs once (1 flow log); DeleteBucket once; StopLogging once; PutBucketPolicy once; PutRule 7 times; and 2 other calls" {
		t.Error(got)
	}
}

// TestI12CommandsTakePlainIDsOnly: people paste these commands into a shell.
func TestI12CommandsTakePlainIDsOnly(t *testing.T) {
	t.Parallel()
	for _, evil := range []string{"x;rm -rf ~", "$(id)", "`id`", "--profile", "a b", "x\ny", "é"} {
		a := alerttest.Deletion()
		a.EventID, a.Actor.AccessKeyID = evil, evil
		if _, text := describe(a); strings.Contains(text, "lookup-events") {
			t.Errorf("%q: %s", evil, text)
		}
		a = alerttest.Deletion()
		a.Region = evil
		if _, text := describe(a); strings.Contains(text, "lookup-events") {
			t.Errorf("%q: %s", evil, text)
		}
	}
}

func TestRestoredNamesTheCloudFormationStack(t *testing.T) {
	t.Parallel()
	a := alerttest.Deletion()
	a.Kind = alert.Restored
	a.FlowLogs[0].NewFlowLogID = "fl-0bbb"
	a.FlowLogs[0].Tags = map[string]string{"aws:cloudformation:stack-name": "network", "aws:cloudformation:logical-id": "FlowLog"}
	if _, text := describe(a); !strings.Contains(text, "CloudFormation: stack network still has the lost flow log as FlowLog") {
		t.Error(text)
	}
}

func TestTitles(t *testing.T) {
	t.Parallel()
	one := []alert.FlowLog{{FlowLogID: "fl-1", ResourceID: "vpc-1"}}
	two := []alert.FlowLog{{FlowLogID: "fl-1", ResourceID: "vpc-1", NewFlowLogID: "fl-3"}, {FlowLogID: "fl-2", State: "open"}}
	who := &alert.Actor{ARN: "arn:aws:sts::111122223333:assumed-role/Admin/eve"}
	notTaken, _, _ := alert.NotTaken("pager", alert.Alert{ID: "alrt_1"}, "pagerduty pager: answered 400 Bad Request", "", time.Time{}.Add(73*time.Hour))
	takesAgain, _ := alert.TakesAgain("pager", "2026-03-01", false, time.Now())
	for _, c := range []struct {
		a    alert.Alert
		want string
	}{
		{alert.Alert{Kind: alert.Deletion, Actor: who}, "Deleted: flow logs, not known which, by assumed-role/Admin/eve"},
		{alert.Alert{Kind: alert.Deletion, FlowLogs: two, Actor: &alert.Actor{Type: "AWSService"}}, "Deleted: 2 flow logs by AWSService"},
		{alert.Alert{Kind: alert.Deletion, FlowLogs: one, Actor: &alert.Actor{}}, "Deleted: the flow log of vpc-1 by unknown"},
		{alert.Alert{Kind: alert.Deletion, FlowLogs: []alert.FlowLog{{FlowLogID: "fl-9"}}, Source: "drift"}, "Gone: flow log fl-9, without a CloudTrail event"},
		{alert.Alert{Kind: alert.Attempt, FailedFlowLogs: one, Actor: who}, "Refused: deleting the flow log of vpc-1 by assumed-role/Admin/eve"},
		{alert.Alert{Kind: alert.Attempt, FailedFlowLogs: []alert.FlowLog{{FlowLogID: "fl-1", ErrorCode: "Client.DryRunOperation"}}}, "Dry run of deleting flow log fl-1"},
		{alert.Alert{Kind: alert.Restored, FlowLogs: two}, "Restored: 1 of 2 flow logs"},
		{alert.Alert{Kind: alert.Restored, FlowLogs: one}, "Not restored: the flow log of vpc-1"},
		{alert.Alert{Kind: alert.Blocked, FlowLogs: []alert.FlowLog{{ResourceID: "vpc-1", Reason: "permission"}}}, "NOT restored: the flow log of vpc-1 (permission)"},
		{alert.Alert{Kind: alert.Blocked, FlowLogs: []alert.FlowLog{{Reason: "permission"}, {Reason: "destination"}}}, "NOT restored: 2 flow logs (2 reasons)"},
		{alert.Alert{Kind: alert.Blocked, FlowLogs: []alert.FlowLog{{ResourceID: "vpc-1", State: "open", Attempts: 37, Reason: "permission"}}}, "Still not restored after 37 attempts: the flow log of vpc-1"},
		{alert.Alert{Kind: alert.Blocked, FlowLogs: []alert.FlowLog{{ResourceID: "vpc-1", State: "open"}}}, "Still not restored: the flow log of vpc-1"},
		{alert.Alert{Kind: alert.Blocked, Cause: "the account is not configured", FlowLogs: []alert.FlowLog{{ResourceID: "vpc-1", State: "open"}}}, "Still not restored, and nothing is tried: the flow log of vpc-1"},
		{alert.Alert{Kind: alert.Deletion, NotStored: true, FlowLogs: one, Actor: who}, "Deleted: the flow log of vpc-1 by assumed-role/Admin/eve: NOT restored until the state file can be written"},
		{alert.Alert{Kind: alert.Restored, FlowLogs: []alert.FlowLog{{FlowLogID: "fl-1", State: "closed", Reason: "superseded", NewFlowLogID: "fl-2"}, {State: "restored", NewFlowLogID: "fl-3"}}}, "Restored: 1 of 2 flow logs"},
		{alert.Alert{Kind: alert.Pipeline, Level: alert.High, Part: alert.PartDelivery, FlowLogs: []alert.FlowLog{{ResourceID: "vpc-1", State: "restored", Reason: "not_delivering", ErrorMessage: "Access error"}}}, "Does not deliver: Access error (the flow log of vpc-1)"},
		{alert.Alert{Kind: alert.Pipeline, Level: alert.High, Part: alert.PartDelivery, FlowLogs: []alert.FlowLog{{ErrorMessage: "Access error"}, {ErrorMessage: "Rate limited"}}}, "Does not deliver: 2 flow logs"},
		{alert.Alert{Kind: alert.Pipeline, Level: alert.High, Part: alert.PartTags, FlowLogs: []alert.FlowLog{{ResourceID: "vpc-1", State: "restored", Reason: "not_tagged"}}}, "Restored, but some tags are missing: the flow log of vpc-1"},
		{alert.Alert{Kind: alert.Pipeline, Level: alert.Informational, Part: alert.PartDelivery, FlowLogs: []alert.FlowLog{{ResourceID: "vpc-1", Reason: "permission"}}}, "Delivers again: the flow log of vpc-1"},
		{alert.Alert{Kind: alert.Pipeline, Level: alert.High, Part: alert.PartRehearsal, FlowLogs: []alert.FlowLog{{ResourceID: "vpc-1", Reason: "permission"}}}, "A restore would be refused: the flow log of vpc-1 (permission)"},
		{alert.Alert{Kind: alert.Pipeline, Level: alert.Informational, Part: alert.PartRehearsal, FlowLogs: one}, "A restore would be allowed again: the flow log of vpc-1"},
		{alert.Alert{Kind: alert.Pipeline, Level: alert.High, Cause: "the inventory can't be refreshed", FlowLogs: []alert.FlowLog{{Reason: "permission"}}}, "Flow logs at risk: the inventory can't be refreshed"},
		{alert.Alert{Kind: alert.Closed, FlowLogs: two}, "Finished: 2 flow logs"},
		{alert.Alert{Kind: alert.Flapping, FlowLogs: one}, "Deleted again and again: the flow log of vpc-1"},
		{alert.Alert{Kind: alert.Decoy, FlowLogs: one}, "Decoy in the place of the flow log of vpc-1"},
		{alert.Alert{Kind: alert.Tamper, Source: "drift", Cause: "Not protected: fl-1 stands in the place of fl-2"}, "Not protected: fl-1 stands in the place of fl-2"},
		{alert.Alert{Kind: alert.Tamper, Cause: "StopLogging of trail main", Actor: who}, "Tampering: StopLogging of trail main, by assumed-role/Admin/eve"},
		{alert.Alert{Kind: alert.Tamper, Cause: "PutRule, target not stated: it may be the rule that sends events to the queue; CloudTrail left out its 134217 bytes of parameters", Actor: who},
			"Tampering: PutRule, target not stated: it may be the rule that sends events to the queue, by assumed-role/Admin/eve"},
		{notTaken, "Alerts don't arrive: sink pager has not taken alert alrt_1 for 3 days"},
		{takesAgain, "Works again: sink pager takes alerts again"},
		{alert.Alert{Kind: alert.Pipeline, Cause: "the queue is gone", Account: "1"}, "Flow logs at risk: the queue is gone in 1"},
		{alert.Alert{Kind: alert.Pipeline, Cause: "the inventory can't be refreshed: operation error EC2: DescribeFlowLogs, https response error", Account: "1", Region: "eu-west-1"},
			"Flow logs at risk: the inventory can't be refreshed in 1 eu-west-1"},
		{alert.Alert{Kind: alert.Pipeline, Level: alert.Medium, Cause: "the inventory can't be refreshed; no protected flow logs are there: AccessDenied: no", Account: "1", Region: "eu-west-1"},
			"Not protected: the inventory can't be refreshed in 1 eu-west-1"},
		{alert.Alert{Kind: alert.Pipeline, Level: alert.Medium, Cause: "the account search-prod (333344445555) can't be reached in any Region. What is there is not known yet. Why: AccessDenied: no", Account: "333344445555", AccountName: "search-prod"},
			"Not protected: the account search-prod (333344445555) can't be reached in any Region"},
		{alert.Alert{Kind: alert.Pipeline, Level: alert.High, Cause: "the account Acme Inc. prod: eu; all (333344445555) can't be reached in any Region. 2 protected flow logs in 1 Region", Account: "333344445555", AccountName: "Acme Inc. prod: eu; all"},
			"Flow logs at risk: the account Acme Inc. prod: eu; all (333344445555) can't be reached in any Region"},
		{alert.Alert{Kind: alert.Pipeline, Level: alert.High, Cause: "the account 333344445555 can't be asked", Account: "333344445555", AccountName: "search-prod", Region: "eu-west-1"},
			"Flow logs at risk: the account 333344445555 can't be asked in eu-west-1"},
		{alert.Alert{Kind: alert.Pipeline, Level: alert.High, Cause: "the Region eu-west-1 is not enabled in account 333344445555 any more", Account: "333344445555", Region: "eu-west-1"},
			"Flow logs at risk: the Region eu-west-1 is not enabled in account 333344445555 any more"},
		{alert.Alert{Kind: alert.Pipeline, Level: alert.High, Cause: "the account " + strings.Repeat("long ", 30) + "(333344445555) can't be reached", Account: "333344445555", AccountName: strings.Repeat("long ", 30)},
			"Flow logs at risk: the account " + strings.Repeat("long ", 16) + "long… in " + strings.Repeat("long ", 7) + "long… (333344445555)"},
		{alert.Alert{Kind: alert.Destination, Cause: "arn:aws:s3:::x"}, "New flow log destination: arn:aws:s3:::x"},
		{alert.Alert{Kind: alert.Test}, "Test alert from Flowkeeper: nothing has happened"},
	} {
		t.Run(c.want, func(t *testing.T) {
			t.Parallel()
			if got, _ := describe(c.a); got != c.want {
				t.Errorf("%s: %q, want %q", c.a.Kind, got, c.want)
			}
		})
	}
}

// TestWhatToDo: an alert about what is not back says what to do, even if AWS's answer does
// not need a person.
func TestWhatToDo(t *testing.T) {
	t.Parallel()
	f := alert.FlowLog{FlowLogID: "fl-1", State: "open", ErrorMessage: "RequestLimitExceeded: slow down"}
	a := alert.Alert{Kind: alert.Blocked, Level: alert.Critical, FlowLogs: []alert.FlowLog{f}}
	if _, text := describe(a); !strings.Contains(text, "To do: look up AWS's answer in docs/alerts.md#blocked") || !strings.Contains(text, "Flowkeeper: keeps trying") {
		t.Error(text)
	}
	a.FlowLogs[0].Advice = "set the clock"
	if _, text := describe(a); strings.Contains(text, "To do:") {
		t.Error(text)
	}
}

func TestOutcomes(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		f    alert.FlowLog
		kind alert.Kind
		want string
	}{
		"undecided in the first alert":      {alert.FlowLog{State: "open"}, alert.Deletion, ""},
		"not restored yet":                  {alert.FlowLog{State: "open"}, alert.Restored, "not restored yet"},
		"a restore is planned":              {alert.FlowLog{State: "open", NextAttemptAt: new(alerttest.At("2026-03-01T12:15:00Z"))}, alert.Deletion, "will not be restored before 2026-03-01 12:15:00 UTC"},
		"released":                          {alert.FlowLog{State: "closed", Reason: "released"}, alert.Deletion, "closed, it was released, so it may be deleted"},
		"a reason without words":            {alert.FlowLog{State: "closed", Reason: "new_word"}, alert.Closed, "closed, new_word"},
		"blocked":                           {alert.FlowLog{State: "blocked", Reason: "limit"}, alert.Blocked, "cannot be restored, AWS's limit of flow logs is reached"},
		"verified":                          {alert.FlowLog{State: "verified", NewFlowLogID: "fl-2"}, alert.Closed, "back as fl-2, verified"},
		"does not deliver":                  {alert.FlowLog{State: "restored", NewFlowLogID: "fl-2", Reason: "not_delivering"}, alert.Pipeline, "back as fl-2, but it does not deliver"},
		"lacks tags, with the reason":       {alert.FlowLog{State: "restored", NewFlowLogID: "fl-2", Reason: "not_tagged", ErrorMessage: "no"}, alert.Pipeline, "back as fl-2, but some of its tags are missing: no"},
		"blocked, with AWS's words":         {alert.FlowLog{State: "blocked", Reason: "permission", ErrorMessage: "AWS's words"}, alert.Blocked, "cannot be restored, AWS denies Flowkeeper's role the permission (AWS's words)"},
		"does not deliver, with the reason": {alert.FlowLog{State: "restored", NewFlowLogID: "fl-2", Reason: "not_delivering", ErrorMessage: "Access error"}, alert.Pipeline, "back as fl-2, but it does not deliver: Access error"},
		"the last error":                    {alert.FlowLog{State: "open", ErrorMessage: "RequestLimitExceeded: slow down", NextAttemptAt: new(alerttest.At("2026-03-01T12:15:00Z"))}, alert.Blocked, "not restored yet (RequestLimitExceeded: slow down)"},
		"not shown yet":                     {alert.FlowLog{State: "restored", NewFlowLogID: "fl-2"}, alert.Blocked, "AWS answered that it made fl-2, but DescribeFlowLogs has not shown it yet"},
		"refused deletion":                  {alert.FlowLog{ErrorCode: "400", ErrorMessage: "no"}, alert.Attempt, "400, no"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if got := c.f.Outcome(alert.Alert{Kind: c.kind}); got != c.want {
				t.Errorf("%+v: %q, want %q", c.f, got, c.want)
			}
		})
	}
}

// TestNextAttemptIsShown: an alert about what is not back has the time of the next attempt,
// in the text and in the JSON.
func TestNextAttemptIsShown(t *testing.T) {
	t.Parallel()
	for _, state := range []string{"open", "blocked"} {
		a := alert.Alert{Kind: alert.Blocked, Level: alert.Critical, FlowLogs: []alert.FlowLog{{FlowLogID: "fl-1", State: state, Reason: "permission", Attempts: 12, NextAttemptAt: new(alerttest.At("2026-03-01T12:15:00Z"))}}}
		_, text := describe(a)
		if !strings.Contains(text, "; 12 attempts so far; next attempt at 2026-03-01 12:15:00 UTC") {
			t.Error(text)
		}
		b, err := json.Marshal(a)
		if err != nil || !strings.Contains(string(b), `"attempts":12,"next_attempt_at":"2026-03-01T12:15:00.000Z"`) {
			t.Error(string(b), err)
		}
	}
}

// TestBlindTimeOfADrift: the time of the deletion is not known, only when a refresh last saw
// the flow log.
func TestBlindTimeOfADrift(t *testing.T) {
	t.Parallel()
	a := alert.Alert{Kind: alert.Restored, Source: "drift", FlowLogs: []alert.FlowLog{{FlowLogID: "fl-1", ResourceID: "vpc-1", State: "restored", NewFlowLogID: "fl-2", BlindSeconds: new(72.0)}}}
	title, text := describe(a)
	if title != "Restored: the flow log of vpc-1 after a gap of at most 1 min 12 s" || !strings.Contains(text, "back as fl-2 after at most 1 min 12 s") {
		t.Errorf("%s\n%s", title, text)
	}
	a.Source = "event"
	if title, text := describe(a); strings.Contains(title+text, "at most") {
		t.Errorf("%s\n%s", title, text)
	}
}

func TestDeletionSaysWhatFlowkeeperDoes(t *testing.T) {
	t.Parallel()
	a := alerttest.Deletion()
	a.FlowLogs = []alert.FlowLog{
		{FlowLogID: "fl-1", State: "open"}, {FlowLogID: "fl-2", State: "open"},
		{FlowLogID: "fl-3", State: "open", NextAttemptAt: new(alerttest.At("2026-03-01T12:15:00Z"))},
		{FlowLogID: "fl-4", State: "closed", Reason: "alert_only"},
		{FlowLogID: "fl-5", State: "open", Foreseen: "released"},
	}
	_, text := describe(a)
	want := "Flowkeeper: restores 2 of them as soon as AWS shows the loss, within AWS's rate limits; another alert follows; " +
		"waits before it restores 1 of them, because a rule gives the caller time to create a replacement; does not restore 2 of them, for the reason given"
	if !strings.Contains(text, want) {
		t.Error(text)
	}
}

// TestDeletionThatIsNotStored: without the state file the alert promises no restore.
func TestDeletionThatIsNotStored(t *testing.T) {
	t.Parallel()
	for _, logs := range [][]alert.FlowLog{nil, {{FlowLogID: "fl-1", State: "open"}}, {{FlowLogID: "fl-1", State: "open"}, {FlowLogID: "fl-2", State: "open"}}} {
		a := alerttest.Deletion()
		a.FlowLogs, a.NotStored = logs, true
		_, text := describe(a)
		if !strings.Contains(text, "Flowkeeper: restores NOTHING until its state file can be written: free disk space") || strings.Contains(text, "another alert follows") {
			t.Error(text)
		}
	}
}

// TestForeseenIsStored: the sinks for chat and pagers make their texts from the stored
// alert, so that it must keep the reason.
func TestForeseenIsStored(t *testing.T) {
	t.Parallel()
	a := alert.Alert{Kind: alert.Deletion, FlowLogs: []alert.FlowLog{{FlowLogID: "fl-1", State: "open", Foreseen: "released"}}}
	text, err := json.Marshal(a)
	if err != nil {
		t.Fatal(err)
	}
	var out alert.Alert
	if err := json.Unmarshal(text, &out); err != nil {
		t.Fatal(err)
	}
	if was, is := a.Words().Doing(), out.Words().Doing(); was != is || !strings.Contains(is, "does not restore it") {
		t.Errorf("%q has become %q", was, is)
	}
}

// TestALineSaysOnceThatTheReplacementWasLost: the advice says which one; without it the line
// points to its alert.
func TestALineSaysOnceThatTheReplacementWasLost(t *testing.T) {
	t.Parallel()
	f := alert.FlowLog{FlowLogID: "fl-1", State: "closed", Reason: "superseded", NewFlowLogID: "fl-2", Advice: "its replacement was lost in turn: see fl-2"}
	a := alert.Alert{Kind: alert.Closed}
	if got := a.Words().Lines([]alert.FlowLog{f}, 1, 1000); got[0] != "fl-1: closed, its replacement was lost in turn: see fl-2" {
		t.Error(got)
	}
	f.Advice = ""
	if got := a.Words().Lines([]alert.FlowLog{f}, 1, 1000); got[0] != "fl-1: closed, its replacement was deleted, too: see the alert about that one" {
		t.Error(got)
	}
}

// TestFoundIsTheTimeOfTheFirstAlert: the first alert of a drift says when a refresh found the loss. Later alerts do not
// know that time.
func TestFoundIsTheTimeOfTheFirstAlert(t *testing.T) {
	t.Parallel()
	for kind, shown := range map[alert.Kind]bool{alert.Deletion: true, alert.Restored: false, alert.Closed: false} {
		t.Run(string(kind), func(t *testing.T) {
			t.Parallel()
			a := alert.Alert{Kind: kind, Source: "drift", Time: alerttest.At("2026-03-01T12:00:00Z"), FlowLogs: []alert.FlowLog{{FlowLogID: "fl-1"}}}
			if _, text := describe(a); strings.Contains(text, "Found: ") != shown || strings.Contains(text, "When: ") {
				t.Error(text)
			}
		})
	}
}

func TestRestoresAllOrSome(t *testing.T) {
	t.Parallel()
	a := alert.Alert{Kind: alert.Deletion, FlowLogs: make([]alert.FlowLog, 5)}
	if got := a.Words().Doing(); !strings.HasPrefix(got, "restores all 5 as soon as") {
		t.Error(got)
	}
	a.FlowLogs[0].State = "closed"
	if got := a.Words().Doing(); !strings.HasPrefix(got, "restores 4 of them as soon as") || !strings.HasSuffix(got, "does not restore 1 of them, for the reason given") {
		t.Error(got)
	}
}
