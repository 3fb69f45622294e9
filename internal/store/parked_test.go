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

// withOutbox returns a store with two sinks and the log. The test sets its clock, now.
func withOutbox(t *testing.T) (s *Store, now *time.Time) {
	t.Helper()
	now = new(time.Time)
	*now = noon.Add(73 * time.Hour)
	return openAs(t, filepath.Join(t.TempDir(), "state.db"), Options{Daemon: true, Now: func() time.Time { return *now },
		Routes: alerttest.To{"log", "chat", "pager"}}), now
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
	s.giveUp(t, "alrt_1", "pager") // recorded twice: the answer of the first try was lost
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
		t.Errorf("%d deliveries after the next day's", n)
	}
}

// TestI7ParkedAlertsMakeNoChain: two sinks that are down for good do not cause alerts about
// each other without end.
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
	// Another alert that chat gives up has an alert, too.
	s.park(t, "alrt_2", "chat")
	got := s.pipelineDeliveries(t)
	if sinks := []string{got[2].Sink, got[3].Sink}; len(got) != 4 || !slices.Equal(sinks, []string{"log", "pager"}) {
		t.Errorf("%+v", got)
	}
}
