package store

import (
	"testing"
	"time"

	"flowkeeper/alert"
)

// TestUntaken: an alert counts as untaken until one sink other than the log has taken it. An alert that all of them
// have given up still counts.
func TestUntaken(t *testing.T) {
	t.Parallel()
	s, now := withOutbox(t)
	add := func(id string, level alert.Level, at time.Time) { addAlert(t, s, id, id, at, alert.Deletion, level) }
	is := func(want string, sinks ...string) {
		t.Helper()
		if len(sinks) == 0 {
			sinks = []string{"chat", "pager"}
		}
		a, ok, err := s.Untaken(t.Context(), sinks, []alert.Level{alert.High, alert.Critical}, now.Add(-15*time.Minute))
		if err != nil || ok != (want != "") || a.ID != want {
			t.Errorf("%q %v %v, want %q", a.ID, ok, err, want)
		}
	}
	sent := func(id, sink string) {
		t.Helper()
		s.sent(t, sink, id, *now)
	}
	is("")
	add("medium", alert.Medium, now.Add(-time.Hour))
	add("young", alert.Critical, now.Add(-14*time.Minute))
	is("")
	add("critical", alert.Critical, now.Add(-16*time.Minute))
	add("high", alert.High, now.Add(-20*time.Minute))
	is("high")
	is("", "mail") // no alert was routed to this sink
	sent("high", "log")
	is("high")
	sent("high", "pager")
	is("critical")
	s.giveUp(t, "critical", "pager")
	s.giveUp(t, "critical", "chat")
	*now = now.Add(5 * time.Second)
	is("critical")
	if _, err := s.Retry(t.Context(), "critical"); err != nil {
		t.Fatal(err)
	}
	sent("critical", "chat")
	is("")
	*now = now.Add(time.Minute)
	is("young")
}
