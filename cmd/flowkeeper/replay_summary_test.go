package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"flowkeeper/alert"
)

func finding(kind string, level alert.Level, arn, event string, at time.Time) findingJSON {
	return findingJSON{Kind: kind, Level: level, EventID: event, EventName: "DeleteFlowLogs", Account: scope.Account, Region: scope.Region,
		Time: alert.Time{Time: at}, Actor: &alert.Actor{Type: "IAMUser", ARN: arn}, FlowLogs: []planned{{FlowLogID: "fl-1"}, {FlowLogID: "fl-2"}}}
}

// TestAFloodHidesNoDeletion: however many callers there are, what is kept is bounded, and the
// deletion is among it.
func TestAFloodHidesNoDeletion(t *testing.T) {
	t.Parallel()
	var s callSummary
	s.add(finding("deletion", alert.High, "arn:aws:iam::111122223333:user/mallory", "deletion", noon))
	const n = 5*mostRows + 7
	for k := range n {
		s.add(finding("attempt", alert.Medium, fmt.Sprintf("arn:aws:iam::999900001111:user/%d", k), fmt.Sprint("event ", k), noon))
		if len(s.rows) > 2*mostRows {
			t.Fatalf("%d rows", len(s.rows))
		}
	}
	for range 3 {
		s.add(finding("attempt", alert.Medium, "arn:aws:iam::999900001111:user/often", fmt.Sprint("often", len(s.events)), noon))
	}
	s.drop()
	rows := s.sorted()
	count := s.dropped
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
	of := func(who *alert.Actor, event string) findingJSON {
		v := finding("deletion", alert.High, "", event, noon)
		v.Actor = who
		return v
	}
	var s callSummary
	for _, v := range []findingJSON{
		finding("deletion", alert.High, a, "1", noon.Add(time.Hour)),
		finding("deletion", alert.Critical, a, "2", noon),
		finding("deletion", alert.High, a, "2", noon.Add(-time.Hour)), // the same event again
		finding("deletion", alert.High, a, "", time.Time{}),           // no ID, no time
		of(session("ci", "run-1"), "4"), of(session("ci", "run-2"), "5"), of(session("one", "x"), "6"),
		of(session("AWSReservedSSO_Admin_0123", "alice"), "7"), of(session("AWSReservedSSO_Admin_0123", "bob"), "8"),
		of(&alert.Actor{Type: "AWSAccount", PrincipalID: "AROA:x", Account: "999900001111"}, "9"),
	} {
		s.add(v)
	}
	var got []string
	for _, r := range s.sorted() {
		got = append(got, fmt.Sprintf("%s %d/%d %s %s", r.Level, r.Count, r.FlowLogs, r.caller(), r.Session))
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
		t.Errorf("%s\ninstead of\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
	if r := s.sorted()[0]; !r.First.Equal(noon) || !r.Last.Equal(noon.Add(time.Hour)) || s.again != 1 {
		t.Errorf("%+v, %d again", r, s.again)
	}
}

// deletions are so many records, each by its own session.
func deletions(n int) string {
	var out strings.Builder
	for k := range n {
		fmt.Fprintf(&out, `{"eventTime":"2026-03-01T12:00:%02dZ","eventSource":"ec2.amazonaws.com","eventName":"DeleteFlowLogs","awsRegion":"eu-west-1","recipientAccountId":"111122223333","eventID":"event-%d","userIdentity":{"type":"IAMUser","arn":"arn:aws:iam::111122223333:user/u%d"},"requestParameters":{"DeleteFlowLogsRequest":{"FlowLogId":{"tag":1,"content":"fl-%08x"}}},"responseElements":{"DeleteFlowLogsResponse":{"unsuccessful":""}}}`+"\n", k%60, k, k, k)
	}
	return out.String()
}

// TestReplayOnATerminal: few findings in full, many as a table.
func TestReplayOnATerminal(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		findings       int
		flags          string
		details, table int // lines
		notes          string
	}{
		{manyFindings, "", manyFindings, 0, ""},
		{manyFindings + 1, "", 0, manyFindings + 2, "--summary=false shows each finding"},
		{manyFindings + 1, "--summary=false", manyFindings + 1, 0, ""},
		{2, "--summary", 0, 3, ""},
		{terminalLimit + 5, "", 0, terminalLimit + 1, "5 findings of others, less severe or less frequent"},
	} {
		name := filepath.Join(t.TempDir(), "records.json")
		if err := os.WriteFile(name, []byte(deletions(c.findings)), 0o600); err != nil {
			t.Fatal(err)
		}
		var out, notes bytes.Buffer
		a := testApp(&out, "NO_COLOR=1")
		a.Stderr, a.Terminal, a.Columns = &notes, true, 80
		args := append([]string{"replay", "--state", filepath.Join(t.TempDir(), "missing.db"), name}, strings.Fields(c.flags)...)
		if code := a.execute(t.Context(), args); code != exitFine {
			t.Fatalf("%d %s", code, &notes)
		}
		details := strings.Count(out.String(), "AWS VPC Flow Logs Deleted (high)\n")
		table := strings.Count(out.String(), "DeleteFlowLogs") + strings.Count(out.String(), "TIMES")
		if details != c.details || table != c.table || !strings.Contains(notes.String(), c.notes) {
			t.Errorf("%d findings %s: %d in full, a table of %d lines\n%s%s", c.findings, c.flags, details, table, &out, &notes)
		}
		for line := range strings.Lines(out.String()) {
			if n := len([]rune(strings.TrimSuffix(line, "\n"))); c.table > 0 && n > 80 {
				t.Errorf("%d columns: %s", n, line)
			}
		}
	}
}

// readFunc and writeFunc are what reads and writes of a stream do.
type (
	readFunc  func([]byte) (int, error)
	writeFunc func([]byte) (int, error)
)

func (f readFunc) Read(p []byte) (int, error)   { return f(p) }
func (f writeFunc) Write(p []byte) (int, error) { return f(p) }

// TestReplayInterrupted: what was read so far is shown.
func TestReplayInterrupted(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	shown, ended := make(chan struct{}), make(chan struct{})
	defer close(ended)
	var out bytes.Buffer
	a := testApp(&out)
	var once sync.Once
	a.Stdout = writeFunc(func(p []byte) (int, error) {
		once.Do(func() { close(shown) })
		return out.Write(p)
	})
	records := strings.NewReader(deletions(100))
	a.stdin = readFunc(func(p []byte) (int, error) {
		if n, _ := records.Read(p); n > 0 {
			return n, nil
		}
		<-shown
		cancel() // Ctrl-C, while a pipe has nothing more
		<-ended
		return 0, io.EOF
	})
	code := a.execute(ctx, []string{"replay", "--state", filepath.Join(t.TempDir(), "missing.db"), "-"})
	if code != exitFailed || !strings.Contains(out.String(), "DeleteFlowLogs  user/u0 ") || !strings.HasSuffix(out.String(), "flowkeeper: interrupted\n") {
		t.Errorf("%d %s", code, &out)
	}
}
