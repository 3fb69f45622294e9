package store

import (
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"flowkeeper/alert"
	"flowkeeper/alert/alerttest"
	"flowkeeper/alert/sink"
)

// withOutbox returns a store with the sinks chat and pager, and the log. Tests set its clock by now.
func withOutbox(t *testing.T) (s *Store, now *time.Time) {
	t.Helper()
	now = new(time.Time)
	*now = noon.Add(73 * time.Hour)
	return openAs(t, filepath.Join(t.TempDir(), "state.db"), Options{Daemon: true, Now: func() time.Time { return *now },
		Routes: alerttest.To{"log", "chat", "pager"}}), now
}

// park adds an alert of a deletion at noon, which the sink then gives up.
func (s *Store) park(t *testing.T, id, sink string) {
	t.Helper()
	addAll(t, s, noon, alert.Alert{ID: id, Kind: alert.Deletion})
	s.giveUp(t, id, sink)
}

// giveUp records that a sink has given up an alert, and that other sinks should say so.
func (s *Store) giveUp(t *testing.T, id, name string) {
	t.Helper()
	if err := s.Failed(t.Context(), name, id, sink.Failure{Attempts: 60, NextAt: noon, Cause: "down", Parked: true, NotifyOthers: true}); err != nil {
		t.Fatal(err)
	}
}

// pipelineDeliveries returns the deliveries of pipeline alerts, the earliest alert first.
func (s *Store) pipelineDeliveries(t *testing.T) (out []sink.Delivery) {
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

// TestI7NothingIsParkedSilently: the transaction that parks an alert adds an alert for the
// other sinks, once for each sink and day.
func TestI7NothingIsParkedSilently(t *testing.T) {
	t.Parallel()
	s, now := withOutbox(t)
	s.park(t, "alrt_1", "pager")
	s.giveUp(t, "alrt_1", "pager") // again, as if the sender did not learn that the first commit succeeded
	s.park(t, "alrt_2", "pager")
	got := s.pipelineDeliveries(t)
	if len(got) != 2 || got[0].Sink != "chat" || got[1].Sink != "log" || got[0].Alert.ID != got[1].Alert.ID {
		t.Fatalf("%+v", got)
	}
	a := got[0].Alert
	if a.Level != alert.High || !strings.Contains(a.Title, "Alerts don't arrive: sink pager has not taken alert alrt_1 for 3 days") ||
		!strings.Contains(a.Text, "flowkeeper alerts retry alrt_1") {
		t.Errorf("%+v", a)
	}
	*now = now.Add(24 * time.Hour)
	s.park(t, "alrt_3", "pager")
	if n := len(s.pipelineDeliveries(t)); n != 4 {
		t.Errorf("%d deliveries after an alert was parked on the next day, want 4", n)
	}
}

// TestI7ParkedAlertsMakeNoChain: if two sinks never work again, the alerts that each has given up do not cause more
// alerts about the other without end.
func TestI7ParkedAlertsMakeNoChain(t *testing.T) {
	t.Parallel()
	s, now := withOutbox(t)
	s.park(t, "alrt_1", "pager")
	first := s.pipelineDeliveries(t)[0].Alert.ID
	*now = now.Add(80 * time.Hour)
	s.giveUp(t, first, "chat")
	if got := s.pipelineDeliveries(t); len(got) != 2 {
		t.Fatalf("%+v", got)
	}
	// If chat gives up an alert of a deletion, the other sinks do get an alert of that.
	s.park(t, "alrt_2", "chat")
	got := s.pipelineDeliveries(t)
	if sinks := []string{got[2].Sink, got[3].Sink}; len(got) != 4 || !slices.Equal(sinks, []string{"log", "pager"}) {
		t.Errorf("%+v", got)
	}
}
