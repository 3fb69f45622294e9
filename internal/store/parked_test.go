package store

import (
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"flowkeeper/alert"
	"flowkeeper/alert/sink"
)

// outbox is a store with two sinks and the log, whose clock the test sets.
func withOutbox(t *testing.T) (s *Store, now *time.Time) {
	t.Helper()
	now = new(time.Time)
	*now = noon.Add(73 * time.Hour)
	return openAs(t, filepath.Join(t.TempDir(), "state.db"), Options{Daemon: true, Now: func() time.Time { return *now },
		Route: func(alert.Alert) []string { return []string{"log", "chat", "pager"} }}), now
}

// park adds an alert of noon and gives it up at the sink.
func (s *Store) park(t *testing.T, id, sink string) {
	t.Helper()
	addAll(t, s, noon, alert.Alert{ID: id, Kind: alert.Deletion})
	s.giveUp(t, id, sink)
}

func (s *Store) giveUp(t *testing.T, id, name string) {
	t.Helper()
	if err := s.Failed(t.Context(), name, id, sink.Failure{Attempts: 60, NextAt: noon, Cause: "down", Parked: true, NotifyOthers: true}); err != nil {
		t.Fatal(err)
	}
}

// told are the deliveries of pipeline alerts.
func (s *Store) told(t *testing.T) (out []sink.Delivery) {
	t.Helper()
	err := s.FindAlerts(t.Context(), Filter{}, func(a alert.Alert, all []sink.Delivery) error {
		if a.Kind == alert.Pipeline {
			out = slices.Concat(all, out) // the latest come first
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// TestI7NothingIsParkedSilently: the other sinks hear of it, once per sink and
// day, and from the transaction that parks it.
func TestI7NothingIsParkedSilently(t *testing.T) {
	t.Parallel()
	s, now := withOutbox(t)
	s.park(t, "alrt_1", "pager")
	s.giveUp(t, "alrt_1", "pager") // recorded twice: the answer of the first try was lost
	s.park(t, "alrt_2", "pager")
	told := s.told(t)
	if len(told) != 2 || told[0].Sink != "chat" || told[1].Sink != "log" || told[0].Alert.ID != told[1].Alert.ID {
		t.Fatalf("%+v", told)
	}
	a := told[0].Alert
	if a.Level != alert.High || !strings.Contains(a.Title, "Alerts don't arrive: sink pager has not taken alert alrt_1 for 3 days") ||
		!strings.Contains(a.Text, "flowkeeper alerts retry alrt_1") {
		t.Errorf("%+v", a)
	}
	*now = now.Add(24 * time.Hour)
	s.park(t, "alrt_3", "pager")
	if n := len(s.told(t)); n != 4 {
		t.Errorf("%d deliveries after the next day's", n)
	}
}

// TestI7ParkedAlertsMakeNoChain: two sinks that are down for good do not tell
// of each other for ever.
func TestI7ParkedAlertsMakeNoChain(t *testing.T) {
	t.Parallel()
	s, now := withOutbox(t)
	s.park(t, "alrt_1", "pager")
	first := s.told(t)[0].Alert.ID
	*now = now.Add(80 * time.Hour)
	s.giveUp(t, first, "chat")
	if told := s.told(t); len(told) != 2 {
		t.Fatalf("%+v", told)
	}
	// A real one that chat gives up is told of nevertheless.
	s.park(t, "alrt_2", "chat")
	told := s.told(t)
	if sinks := []string{told[2].Sink, told[3].Sink}; len(told) != 4 || !slices.Equal(sinks, []string{"log", "pager"}) {
		t.Errorf("%+v", told)
	}
}
