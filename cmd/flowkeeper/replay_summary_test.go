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
	for name, c := range map[string]struct {
		findings       int
		flags          string
		details, table int // lines
		notes          string
	}{
		"each finding":                    {manyFindings, "", manyFindings, 0, ""},
		"too many, a summary":             {manyFindings + 1, "", 0, manyFindings + 2, "--summary=false shows each finding"},
		"each of too many, on request":    {manyFindings + 1, "--summary=false", manyFindings + 1, 0, ""},
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
				t.Errorf("%d findings %s: %d in full, a table of %d lines\n%s%s", c.findings, c.flags, details, table, &out, &notes)
			}
			for line := range strings.Lines(out.String()) {
				if n := len([]rune(strings.TrimSuffix(line, "\n"))); c.table > 0 && n > 80 {
					t.Errorf("%d columns: %s", n, line)
				}
			}
		})
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
