package replay

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"flowkeeper/alert"
	"flowkeeper/internal/detection"
	"flowkeeper/inventory"
)

var (
	scope = inventory.Scope{Account: "111122223333", Region: "eu-west-1"}
	noon  = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
)

func finding(kind detection.Kind, level alert.Level, arn, event string, at time.Time) Finding {
	return Finding{Kind: kind, Level: level, EventID: event, EventName: "DeleteFlowLogs", Account: scope.Account, Region: scope.Region,
		Time: alert.Time{Time: at}, Actor: &alert.Actor{Type: "IAMUser", ARN: arn}, FlowLogs: []Planned{{FlowLogID: "fl-1"}, {FlowLogID: "fl-2"}}}
}

// TestAFloodHidesNoDeletion: an attacker makes refused calls as very many principals, to hide a deletion. The summary
// keeps a bounded number of rows, and the deletion is among them.
func TestAFloodHidesNoDeletion(t *testing.T) {
	t.Parallel()
	var s Summary
	s.Add(finding(detection.Deleted, alert.High, "arn:aws:iam::111122223333:user/mallory", "deletion", noon))
	const n = 5*mostRows + 7
	for k := range n {
		s.Add(finding(detection.Attempted, alert.Medium, fmt.Sprintf("arn:aws:iam::999900001111:user/%d", k), fmt.Sprint("event ", k), noon))
		if len(s.rows) > 2*mostRows {
			t.Fatalf("%d rows are held, want at most %d", len(s.rows), 2*mostRows)
		}
	}
	for range 3 {
		s.Add(finding(detection.Attempted, alert.Medium, "arn:aws:iam::999900001111:user/often", fmt.Sprint("often", len(s.events)), noon))
	}
	s.drop()
	rows := s.Rows()
	count := s.Dropped
	for _, r := range rows {
		count += r.Count
	}
	if len(rows) != mostRows || rows[0].short != "user/mallory" || rows[1].Who != "arn:aws:iam::999900001111:user/often" || count != n+4 {
		t.Errorf("%d rows: %+v, %+v; %d counted", len(rows), rows[0], rows[1], count)
	}
}

func TestSummaryRows(t *testing.T) {
	t.Parallel()
	const a = "arn:aws:iam::111122223333:user/a"
	session := func(role, name string) *alert.Actor {
		return &alert.Actor{Type: "AssumedRole", ARN: "arn:aws:sts::111122223333:assumed-role/" + role + "/" + name, SessionIssuer: "arn:aws:iam::111122223333:role/" + role}
	}
	of := func(who *alert.Actor, event string) Finding {
		v := finding(detection.Deleted, alert.High, "", event, noon)
		v.Actor = who
		return v
	}
	var s Summary
	for _, v := range []Finding{
		finding(detection.Deleted, alert.High, a, "1", noon.Add(time.Hour)),
		finding(detection.Deleted, alert.Critical, a, "2", noon),
		finding(detection.Deleted, alert.High, a, "2", noon),       // the same event again
		finding(detection.Deleted, alert.High, a, "", time.Time{}), // no ID, no time
		of(session("ci", "run-1"), "4"), of(session("ci", "run-2"), "5"), of(session("one", "x"), "6"),
		of(session("AWSReservedSSO_Admin_0123", "alice"), "7"), of(session("AWSReservedSSO_Admin_0123", "bob"), "8"),
		of(&alert.Actor{Type: "AWSAccount", PrincipalID: "AROA:x", Account: "999900001111"}, "9"),
	} {
		s.Add(v)
	}
	var got []string
	for _, r := range s.Rows() {
		got = append(got, fmt.Sprintf("%s %d/%d %s %s", r.Level, r.Count, r.FlowLogs, r.Caller(), r.Session))
	}
	want := []string{
		"critical 3/6 user/a ",
		"high 2/4 role/ci, several sessions ",
		"high 1/2 AWSAccount AROA:x of 999900001111 ",
		"high 1/2 role/one arn:aws:sts::111122223333:assumed-role/one/x",
		"high 1/2 assumed-role/AWSReservedSSO_Admin_0123/alice ",
		"high 1/2 assumed-role/AWSReservedSSO_Admin_0123/bob ",
	}
	if strings.Join(got, "\n") != strings.Join(want, "\n") {
		t.Errorf("%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
	if r := s.Rows()[0]; !r.First.Equal(noon) || !r.Last.Equal(noon.Add(time.Hour)) || s.Again != 1 {
		t.Errorf("%+v, %d repeated, want 1", r, s.Again)
	}
}

// TestAForgedTwinHidesNothingInASummary: an attacker forges a record with the event ID of another record. Both are
// counted, unless they agree about the caller, the call, the account, the Region and the time: then one repeats the
// other.
func TestAForgedTwinHidesNothingInASummary(t *testing.T) {
	t.Parallel()
	const forged, real = "arn:aws:iam::111122223333:user/innocent", "arn:aws:iam::111122223333:user/mallory"
	var s Summary
	for _, v := range []Finding{
		finding(detection.Deleted, alert.High, forged, "event", noon),
		finding(detection.Deleted, alert.High, real, "event", noon),
		finding(detection.Deleted, alert.High, real, "event", noon),
		finding(detection.Deleted, alert.High, real, "event", noon.Add(time.Hour)),
	} {
		s.Add(v)
	}
	rows := s.Rows()
	if len(rows) != 2 || rows[0].Who != real || rows[0].Count != 2 || rows[1].Count != 1 || s.Again != 1 {
		t.Errorf("%+v, %d repeated, want 1", rows, s.Again)
	}

	s = Summary{}
	for _, change := range []func(*Finding){
		func(v *Finding) { v.Account = "444455556666" },
		func(v *Finding) { v.Region = "us-east-1" },
		func(v *Finding) { v.EventName = "DeleteBucketPolicy" },
		func(*Finding) {},
		func(*Finding) {},
	} {
		v := finding(detection.Tampered, alert.High, real, "event", noon)
		v.EventName = "DeleteBucket"
		change(&v)
		s.Add(v)
	}
	if rows := s.Rows(); len(rows) != 4 || s.Again != 1 {
		t.Errorf("%d rows, want 4; %d repeated, want 1", len(rows), s.Again)
	}
}
