package notify_test

import (
	"testing"
	"time"

	"flowkeeper/alert"
	"flowkeeper/remediate/incident"
	"flowkeeper/remediate/notify"
)

func TestAfterDeletionAlert(t *testing.T) {
	t.Parallel()
	open := with(lost("fl-1", incident.Open), func(i *incident.Incident) { i.OpenedAt = noon })
	older := lost("fl-2", incident.Open)
	settled := lost("fl-3", incident.Closed)
	blocked := with(lost("fl-4", incident.Blocked), func(i *incident.Incident) { i.Stuck, i.StuckNews = &incident.Stuck{Kind: alert.Blocked}, true })
	others := with(blocked, func(i *incident.Incident) { i.EventID = "e-0" })
	for name, tt := range map[string]struct {
		incidents           []incident.Incident
		due, overdue, stuck time.Duration // after noon
	}{
		"the record names none":      {nil, never, never, never},
		"one is open":                {[]incident.Incident{open}, 5 * time.Minute, 5 * time.Minute, never},
		"one was opened before":      {[]incident.Incident{open, older}, 5 * time.Minute, 4 * time.Minute, never},
		"all are closed":             {[]incident.Incident{settled}, 5 * time.Minute, never, never},
		"one of its own is blocked":  {[]incident.Incident{blocked}, 5 * time.Minute, 4 * time.Minute, 30 * time.Second},
		"another event's is blocked": {[]incident.Incident{others}, 5 * time.Minute, 4 * time.Minute, never},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			e := afterDeletionAlert(incident.Event{Scope: scope, ID: "e-1", Source: incident.ByEvent}, tt.incidents)
			if !e.DeletionAlertedAt.Equal(noon) {
				t.Errorf("the deletion is noted as alerted at %v", e.DeletionAlertedAt)
			}
			wantTimes(t, e, tt.due, tt.overdue, tt.stuck)
		})
	}
	e := afterDeletionAlert(incident.Event{ID: "e-1", OverdueAt: noon.Add(time.Minute), StuckAt: noon.Add(time.Second)}, []incident.Incident{blocked})
	if !e.OverdueAt.Equal(noon.Add(time.Minute)) || !e.StuckAt.Equal(noon.Add(time.Second)) {
		t.Errorf("times that were sooner have become %v and %v", e.OverdueAt, e.StuckAt)
	}
}

// afterDeletionAlert is the event of a record after its first alert.
func afterDeletionAlert(e incident.Event, incidents []incident.Incident) incident.Event {
	return notify.Deletion{Event: e, Incidents: incidents}.AfterRecord(incident.Event{}, false, true, incident.Policy{}, noon)
}

// wantTimes checks when the next alerts of an event are due, as times after noon.
func wantTimes(t *testing.T, e incident.Event, due, overdue, stuck time.Duration) {
	t.Helper()
	for what, got := range map[string][2]time.Time{"due": {e.Deadline, at(due)}, "overdue": {e.OverdueAt, at(overdue)}, "stuck": {e.StuckAt, at(stuck)}} {
		if !got[0].Equal(got[1]) {
			t.Errorf("the event is %s at %v, want %v", what, got[0], got[1])
		}
	}
}

// never stands for the zero time.
const never = time.Duration(-1)

// at is the time d after noon; the zero time for never.
func at(d time.Duration) time.Time {
	if d == never {
		return time.Time{}
	}
	return noon.Add(d)
}
