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
)

// deletions returns n records of deletions, each by another user.
func deletions(n int) string {
	var out strings.Builder
	for k := range n {
		fmt.Fprintf(&out, `{"eventTime":"2026-03-01T12:00:%02dZ","eventSource":"ec2.amazonaws.com","eventName":"DeleteFlowLogs","awsRegion":"eu-west-1","recipientAccountId":"111122223333","eventID":"event-%d","userIdentity":{"type":"IAMUser","arn":"arn:aws:iam::111122223333:user/u%d"},"requestParameters":{"DeleteFlowLogsRequest":{"FlowLogId":{"tag":1,"content":"fl-%08x"}}},"responseElements":{"DeleteFlowLogsResponse":{"unsuccessful":""}}}`+"\n", k%60, k, k, k)
	}
	return out.String()
}

// TestReplayOnATerminal: replay shows few findings in full, and many as a table.
func TestReplayOnATerminal(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		findings       int
		flags          string
		details, table int    // how many findings are shown in full, and the lines of the table
		notes          string // on stderr
	}{
		"few, in full":                    {manyFindings, "", manyFindings, 0, ""},
		"too many, as a summary":          {manyFindings + 1, "", 0, manyFindings + 2, "--summary=false shows each finding"},
		"too many, in full on request":    {manyFindings + 1, "--summary=false", manyFindings + 1, 0, ""},
		"a summary, on request":           {2, "--summary", 0, 3, ""},
		"more rows than a terminal shows": {terminalLimit + 5, "", 0, terminalLimit + 1, "5 findings of others, less severe or less frequent"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			file := filepath.Join(t.TempDir(), "records.json")
			if err := os.WriteFile(file, []byte(deletions(c.findings)), 0o600); err != nil {
				t.Fatal(err)
			}
			var out, notes bytes.Buffer
			a := testApp(&out, "NO_COLOR=1")
			a.Stderr, a.Terminal, a.Columns = &notes, true, 80
			args := append([]string{"replay", "--state", filepath.Join(t.TempDir(), "missing.db"), file}, strings.Fields(c.flags)...)
			if code := a.execute(t.Context(), args); code != exitFine {
				t.Fatalf("%d %s", code, &notes)
			}
			details := strings.Count(out.String(), "AWS VPC Flow Logs Deleted (high)\n")
			table := strings.Count(out.String(), "DeleteFlowLogs") + strings.Count(out.String(), "TIMES")
			if details != c.details || table != c.table || !strings.Contains(notes.String(), c.notes) {
				t.Errorf("%d findings %s: %d in full, a table of %d lines; want %d and %d\n%s%s", c.findings, c.flags, details, table, c.details, c.table, &out, &notes)
			}
			for line := range strings.Lines(out.String()) {
				if n := len([]rune(strings.TrimSuffix(line, "\n"))); c.table > 0 && n > 80 {
					t.Errorf("a line is %d columns wide, want at most 80: %s", n, line)
				}
			}
		})
	}
}

// readFunc is an io.Reader, and writeFunc an io.Writer, that calls the function.
type (
	readFunc  func([]byte) (int, error)
	writeFunc func([]byte) (int, error)
)

func (f readFunc) Read(p []byte) (int, error)   { return f(p) }
func (f writeFunc) Write(p []byte) (int, error) { return f(p) }

// TestReplayInterrupted: after Ctrl-C, replay shows what it has read so far.
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
		cancel() // as Ctrl-C does, while the pipe has no more input
		<-ended
		return 0, io.EOF
	})
	code := a.execute(ctx, []string{"replay", "--state", filepath.Join(t.TempDir(), "missing.db"), "-"})
	if code != exitFailed || !strings.Contains(out.String(), "DeleteFlowLogs  user/u0 ") || !strings.HasSuffix(out.String(), "flowkeeper: interrupted\n") {
		t.Errorf("%d %s", code, &out)
	}
}
