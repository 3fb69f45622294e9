//go:build linux

package systemd_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
)

// Priorities of the journal.
const (
	priError   = "3"
	priWarning = "4"
	priInfo    = "6"
)

// entry is one of the journal's, of the service or of systemd about it.
type entry struct {
	Message    string `json:"MESSAGE"`
	Priority   string `json:"PRIORITY"`
	Identifier string `json:"SYSLOG_IDENTIFIER"`
	Kind       string `json:"FLOWKEEPER_KIND"` // of an alert
	Severity   string `json:"FLOWKEEPER_SEVERITY"`
	FlowLogs   string `json:"FLOWKEEPER_FLOW_LOGS"`
	Actor      string `json:"FLOWKEEPER_ACTOR"`
	Cursor     string `json:"__CURSOR"`
}

// journal is what it says of the service since the mark.
func (s *story) journal(t *testing.T) (entries []entry) {
	t.Helper()
	args := []string{"journalctl", "--unit=flowkeeper", "--output=json", "--all"}
	if s.cursor != "" {
		args = append(args, "--after-cursor="+s.cursor)
	}
	for line := range strings.Lines(s.machine.run(t, args...).stdout) {
		var e entry
		must(t, json.Unmarshal([]byte(line), &e))
		entries = append(entries, e)
	}
	return entries
}

// mark has the journal begin here. Its cursor is one of the service's own
// entries: after another's, journalctl leaves out the first of the service.
func (s *story) mark(t *testing.T) {
	t.Helper()
	if all := s.journal(t); len(all) > 0 {
		s.cursor = all[len(all)-1].Cursor
	}
}

// says waits for an entry.
func (s *story) says(t *testing.T, what string, is func(entry) bool) (found entry) {
	t.Helper()
	s.await(t, "an entry of the journal: "+what, func() error {
		for _, e := range s.journal(t) {
			if is(e) {
				found = e
				return nil
			}
		}
		return errors.New("there is none")
	})
	return found
}

// alerts waits for an alert about a flow log, of the priority that its level
// asks for.
func (s *story) alerts(t *testing.T, kind, id, priority string) entry {
	t.Helper()
	e := s.says(t, fmt.Sprintf("the alert %q of %s", kind, id), func(e entry) bool { return e.Kind == kind && strings.Contains(e.FlowLogs, id) })
	if e.Priority != priority || e.Identifier != "flowkeeper" {
		t.Errorf("the alert %q has the priority %s, want %s, and is %q's: %s", kind, e.Priority, priority, e.Identifier, e.Message)
	}
	return e
}

// logJournal is for a person who reads why a chapter failed.
func (s *story) logJournal(t *testing.T) {
	t.Helper()
	if s.ctx.Err() == nil {
		t.Logf("the journal:\n%s\n%s", s.machine.ask(t, "journalctl", "--unit=flowkeeper", "--no-hostname", "--lines=80"),
			s.machine.ask(t, "systemctl", "status", "--lines=0", "flowkeeper"))
	}
}

// saysPart is a condition: the message has all the parts.
func saysPart(parts ...string) func(entry) bool {
	return func(e entry) bool {
		for _, p := range parts {
			if !strings.Contains(e.Message, p) {
				return false
			}
		}
		return true
	}
}

// loud wants an entry to be among those of journalctl -p err.
func (s *story) loud(t *testing.T, e entry) {
	t.Helper()
	if e.Priority > priError {
		t.Errorf("journalctl -p err hides this one (priority %s): %s", e.Priority, e.Message)
	}
}
