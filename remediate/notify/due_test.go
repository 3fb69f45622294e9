package notify_test

import (
	"maps"
	"testing"
	"time"

	"flowkeeper/remediate/incident"
	"flowkeeper/remediate/notify"
)

// TestNothingOwed: if an event is due but owes no alert, its times are cleared. Otherwise it would be due for ever.
func TestNothingOwed(t *testing.T) {
	t.Parallel()
	due := incident.Event{ID: "e-1", Deadline: noon, StuckAt: noon.Add(time.Hour)}
	later := incident.Event{ID: "e-1", Deadline: noon.Add(time.Minute)}
	for name, tt := range map[string]struct {
		before, after incident.Event
		cleared       bool
	}{
		"its times are the same":    {due, due, true},
		"an alert has changed them": {due, later, false},
		"it is due later":           {later, later, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, cleared := notify.NothingOwed(tt.before, tt.after, noon)
			if cleared != tt.cleared || cleared && !got.Due().IsZero() || !cleared && !got.SameTimes(tt.after) {
				t.Errorf("nothing is owed: %v, want %v; the event is due %s, stuck %s, overdue %s", cleared, tt.cleared, got.Deadline, got.StuckAt, got.OverdueAt)
			}
		})
	}
}

// TestOverdueTimes: each event except e-3 has the soonest time of its incidents. An incident that is back has none.
func TestOverdueTimes(t *testing.T) {
	t.Parallel()
	missing := func(event string, opened time.Time) incident.Incident {
		return incident.Incident{EventID: event, State: incident.Open, Known: true, OpenedAt: opened}
	}
	back := missing("e-4", noon)
	back.State = incident.Verified
	got := notify.OverdueTimes([]incident.Incident{
		missing("e-1", noon), missing("e-2", noon), missing("e-2", noon.Add(-time.Minute)), missing("e-3", noon.Add(-time.Hour)), back,
	}, "e-3", incident.Policy{}, noon.Add(time.Second))
	want := map[string]time.Time{"e-1": noon.Add(incident.OverdueAfter), "e-2": noon.Add(incident.OverdueAfter - time.Minute)}
	if !maps.EqualFunc(got, want, time.Time.Equal) {
		t.Errorf("overdue at %v, want %v", got, want)
	}
}
