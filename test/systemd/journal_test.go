//go:build linux

package systemd_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
)

// Priorities that entries of the journal have.
const (
	priError   = "3"
	priWarning = "4"
	priInfo    = "6"
)

// entry is an entry of the journal that the service wrote, or systemd about the service.
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

// journal are the entries about the service since the last mark.
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

// mark lets journal begin after the last entry of the service. After an entry of another service,
// journalctl would leave out the next one of this service.
func (s *story) mark(t *testing.T) {
	t.Helper()
	if all := s.journal(t); len(all) > 0 {
		s.cursor = all[len(all)-1].Cursor
	}
}

// says waits for an entry of the journal.
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

// alerts waits for an entry of an alert about a flow log, with the priority of the alert's level.
func (s *story) alerts(t *testing.T, kind, id, priority string) entry {
	t.Helper()
	e := s.says(t, fmt.Sprintf("the alert %q of %s", kind, id), func(e entry) bool { return e.Kind == kind && strings.Contains(e.FlowLogs, id) })
	if e.Priority != priority || e.Identifier != "flowkeeper" {
		t.Errorf("the alert %q has the priority %s, want %s, and the identifier %q: %s", kind, e.Priority, priority, e.Identifier, e.Message)
	}
	return e
}

// logJournal shows the journal, for a person who wants to know why a chapter failed.
func (s *story) logJournal(t *testing.T) {
	t.Helper()
	if s.ctx.Err() == nil {
		t.Logf("the journal:\n%s\n%s", s.machine.ask(t, "journalctl", "--unit=flowkeeper", "--no-hostname", "--lines=80"),
			s.machine.ask(t, "systemctl", "status", "--lines=0", "flowkeeper"))
	}
}

// saysPart is the condition that a message has all these parts.
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

// loud wants journalctl -p err to show an entry.
func (s *story) loud(t *testing.T, e entry) {
	t.Helper()
	if e.Priority > priError {
		t.Errorf("journalctl -p err hides the entry (priority %s): %s", e.Priority, e.Message)
	}
}
