package main

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"flowkeeper/alert"
	"flowkeeper/internal/store"
	"flowkeeper/remediate/incident"
)

// TestTerminalShowsTheLatest: on a terminal, a list fits its width and shows only the latest entries, so that these
// stay on the screen. With --limit 0, with --json, or without a terminal it shows all.
func TestTerminalShowsTheLatest(t *testing.T) {
	t.Parallel()
	const n = terminalLimit + 10
	who := &alert.Actor{ARN: "arn:aws:sts::111122223333:assumed-role/AWSReservedSSO_AdministratorAccess_0123456789abcdef/mallory@example.com"}
	path := stateFile(t, func(tx *store.Tx) error {
		var errs []error
		for k := range n {
			i := incident.Incident{Scope: scope, FlowLogID: fmt.Sprintf("fl-%017x", k), ResourceID: "vpc-0123456789abcdef0", State: incident.Blocked, Reason: incident.Permission,
				Actor: who, DeletedAt: noon, DetectedAt: noon.Add(-time.Duration(k) * time.Minute), Known: true}
			x := alert.Alert{ID: alert.ID("test", i.FlowLogID), Time: alert.Time{Time: noon}, Level: alert.Informational, Title: strings.Repeat("deleted ", 20)}
			errs = append(errs, tx.PutIncident(i), tx.AddAlert(x))
		}
		return errors.Join(errs...)
	}, "log", "a-sink-with-a-long-name")
	for name, c := range map[string]struct {
		what    string
		columns int // of the terminal; 0: none
		want    int
	}{
		"incidents":                  {"incidents list", 80, terminalLimit},
		"incidents, narrow":          {"incidents list", 60, terminalLimit},
		"incidents, without a limit": {"incidents list --limit 0", 80, n},
		"incidents, limited":         {"incidents list --limit 3", 80, 3},
		"incidents, no terminal":     {"incidents list", 0, n},
		"incidents, JSON":            {"incidents list --json", 80, n - 1},
		"alerts":                     {"alerts list", 80, terminalLimit},
		"alerts, no terminal":        {"alerts list", 0, n},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var out, notes bytes.Buffer
			a := testApp(&out, "NO_COLOR=1")
			a.Stderr, a.Terminal, a.Columns = &notes, c.columns > 0, c.columns
			if code := a.execute(t.Context(), append(strings.Fields(c.what), "--state", path)); code != exitFine {
				t.Fatalf("%d %s", code, &notes)
			}
			lines := strings.Split(strings.TrimSuffix(out.String(), "\n"), "\n")
			if len(lines) != c.want+1 {
				t.Errorf("%d lines, want %d", len(lines), c.want+1)
			}
			for _, l := range lines {
				if w := len([]rune(l)); c.columns > 0 && w > c.columns && l[0] != '{' {
					t.Errorf("a line is %d columns wide, want at most %d: %s", w, c.columns, l)
					break
				}
			}
			if more := strings.Contains(notes.String(), "--limit 0 shows all"); more != (c.want == terminalLimit) {
				t.Errorf("notes %q", &notes)
			}
		})
	}
}

// TestOfAResourceWithMany: `show` with a resource that has many flow logs shows only some of them. A note names the
// command that lists all, and this command works.
func TestOfAResourceWithMany(t *testing.T) {
	t.Parallel()
	const n = mostMeant + 10
	path := stateFile(t, func(tx *store.Tx) error {
		var errs []error
		for k := range n {
			r := rows()[0]
			r.ID = fmt.Sprintf("fl-%017x", k)
			errs = append(errs, tx.PutFlowLog(r), tx.PutIncident(incident.Incident{Scope: scope, FlowLogID: r.ID, ResourceID: r.ResourceID, State: incident.Open, DetectedAt: noon}))
		}
		return errors.Join(errs...)
	})
	for _, group := range []string{"incidents", "inventory"} {
		run := func(line string) (rows int, notes string) {
			t.Helper()
			var out, stderr bytes.Buffer
			a := testApp(&out)
			a.Stderr = &stderr
			if code := a.execute(t.Context(), append(strings.Fields(line), "--state", path)); code != exitFine {
				t.Fatalf("%s: %d %s", line, code, &stderr)
			}
			return strings.Count(out.String(), "\nfl-"), stderr.String()
		}
		shown, notes := run(group + " show vpc-1")
		if shown != mostMeant {
			t.Errorf("%s: %d are shown, want %d", group, shown, mostMeant)
		}
		all := group + " list --resource vpc-1 --limit 0"
		if !strings.Contains(notes, "`flowkeeper "+all+"` shows all") {
			t.Errorf("%s: %s", group, notes)
		}
		if listed, _ := run(all); listed != n {
			t.Errorf("%s: %d are listed, want %d", all, listed, n)
		}
	}
}
