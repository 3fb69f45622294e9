package notify_test

import (
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"flowkeeper/alert"
	"flowkeeper/remediate/incident"
	"flowkeeper/remediate/notify"
)

// afterNote is the outcome of a note at noon. found: the store has the event.
func afterNote(t *testing.T, e incident.Event, found bool, n incident.Note) notify.NoteOutcome {
	t.Helper()
	o, err := notify.AfterNote(e, found, n, incident.Policy{}, noon)
	if err != nil {
		t.Fatal(err)
	}
	return o
}

// TestANoteOfAnUnknownKind: test/layers has a test that AfterNote names every kind.
func TestANoteOfAnUnknownKind(t *testing.T) {
	t.Parallel()
	if _, err := notify.AfterNote(alerted(nil), true, incident.Note{Kind: "another"}, incident.Policy{}, noon); err == nil {
		t.Error("a note of an unknown kind means nothing, and that is no error")
	}
}

func TestAfterNote(t *testing.T) {
	t.Parallel()
	closed := func(e *incident.Event) {
		e.RestoredAlertedAt, e.ClosedAlertedAt, e.Deadline, e.OverdueAt = ago(time.Second), ago(time.Second), time.Time{}, time.Time{}
	}
	forgotten := func(e *incident.Event) { *e = incident.Event{} }
	for name, tt := range map[string]struct {
		kind                incident.NoteKind
		change              func(*incident.Event) // of one that was alerted a minute ago, and is due and overdue in four
		changed             bool
		due, overdue, stuck time.Duration // after noon
	}{
		"a lineage has its own event":   {incident.NoteLineage, forgotten, true, 25 * time.Second, 0, never},
		"reopened after the end":        {incident.NoteReopened, closed, true, 5 * time.Minute, 5 * time.Minute, never},
		"reopened before the end":       {incident.NoteReopened, nil, false, 4 * time.Minute, 4 * time.Minute, never},
		"reopened, and forgotten":       {incident.NoteReopened, forgotten, false, never, never, never},
		"reopened, all others are back": {incident.NoteReopened, func(e *incident.Event) { e.RestoredAlertedAt = ago(time.Second) }, true, 5 * time.Minute, 4 * time.Minute, never},
		"reopened, all others are over": {incident.NoteReopened, func(e *incident.Event) { e.ClosedAlertedAt = ago(time.Second) }, true, 5 * time.Minute, 4 * time.Minute, never},
		"requested after the end":       {incident.NoteRequested, closed, true, 5 * time.Minute, 5 * time.Minute, never},
		"requested, others not alerted": {incident.NoteRequested, func(e *incident.Event) {
			e.Source, e.DeletionAlertedAt, e.RestoredAlertedAt, e.Deadline = incident.ByDrift, time.Time{}, ago(time.Second), noon.Add(20*time.Second)
		}, true, 20 * time.Second, 4 * time.Minute, never},
		"requested, and forgotten":                {incident.NoteRequested, forgotten, true, 5 * time.Minute, 4 * time.Minute, never},
		"overdue earlier":                         {incident.NoteOverdue, func(e *incident.Event) { e.OverdueAt = noon.Add(time.Hour) }, true, 4 * time.Minute, 4 * time.Minute, never},
		"overdue, and nothing was overdue before": {incident.NoteOverdue, func(e *incident.Event) { e.OverdueAt = time.Time{} }, true, 4 * time.Minute, 4 * time.Minute, never},
		"overdue no earlier":                      {incident.NoteOverdue, nil, false, 4 * time.Minute, 4 * time.Minute, never},
		"stuck":                                   {incident.NoteStuck, nil, true, 4 * time.Minute, 4 * time.Minute, 30 * time.Second},
		"stuck again":                             {incident.NoteStuck, func(e *incident.Event) { e.StuckAlerted = true }, true, 4 * time.Minute, 4 * time.Minute, 16 * time.Minute},
		"stuck, while another one is stuck":       {incident.NoteStuck, func(e *incident.Event) { e.StuckAt = noon.Add(time.Second) }, false, 4 * time.Minute, 4 * time.Minute, time.Second},
		"stuck, and forgotten":                    {incident.NoteStuck, forgotten, true, never, never, 30 * time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			e := alerted(tt.change)
			o := afterNote(t, e, e.ID != "", incident.Note{Kind: tt.kind, Incident: lost("fl-1", incident.Open)})
			e, changed := o.Event, o.Changed
			if changed != tt.changed {
				t.Errorf("the event changes: %v, want %v", changed, tt.changed)
			}
			if changed && (e.ID != "e-1" || e.Scope != scope) {
				t.Errorf("the event is %s of %s", e.ID, e.Scope)
			}
			if again := tt.kind == incident.NoteReopened && changed; again && (!e.RestoredAlertedAt.IsZero() || !e.ClosedAlertedAt.IsZero() || !e.ReopenedAt.Equal(noon)) {
				t.Errorf("its end is not alerted again: %+v", e)
			}
			wantTimes(t, e, tt.due, tt.overdue, tt.stuck)
		})
	}
}

// TestAnEventIsMadeAgain: an alert belongs to an event. If the store has dropped the event to save space, AfterNote
// makes it again. Only a lineage's own event still waits for its deletion alert.
func TestAnEventIsMadeAgain(t *testing.T) {
	t.Parallel()
	i := lost("fl-1", incident.Open)
	i.Actor = &alert.Actor{ARN: mallory}
	for kind, want := range map[incident.NoteKind]incident.Event{
		incident.NoteLineage:   {Source: incident.ByDrift, Level: alert.High},
		incident.NoteRequested: {Source: incident.ByEvent, Level: alert.Low, Actor: i.Actor, DeletedAt: i.DeletedAt, DeletionAlertedAt: noon},
		incident.NoteStuck:     {Source: incident.ByEvent, Level: alert.High, Actor: i.Actor, DeletedAt: i.DeletedAt, DeletionAlertedAt: noon},
	} {
		t.Run(string(kind), func(t *testing.T) {
			t.Parallel()
			want.Scope, want.ID, want.DetectedAt = scope, "e-1", noon
			o := afterNote(t, incident.Event{}, false, incident.Note{Kind: kind, Incident: i})
			e, changed := o.Event, o.Changed
			e.Deadline, e.OverdueAt, e.StuckAt = time.Time{}, time.Time{}, time.Time{} // see TestAfterNote
			if !changed || !reflect.DeepEqual(e, want) {
				t.Errorf("the event is %+v, want %+v", e, want)
			}
		})
	}
}

// TestATokenUsedIsAlertedSoon: the flow log may be back 15 seconds after AWS has said that
// its ClientToken was used. People need an alert about the used token even so, once per event.
func TestATokenUsedIsAlertedSoon(t *testing.T) {
	t.Parallel()
	i := lost("fl-1", incident.Blocked)
	i.Reason = incident.TokenUsed
	for name, change := range map[string]func(*incident.Event){
		"nothing is stuck":                        func(*incident.Event) {},
		"another flow log is stuck":               func(e *incident.Event) { e.StuckAt = noon.Add(30 * time.Second) },
		"another flow log was stuck, and alerted": func(e *incident.Event) { e.StuckAlerted = true },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			e := alerted(change)
			o := afterNote(t, e, true, incident.Note{Kind: incident.NoteStuck, Incident: i})
			e, changed := o.Event, o.Changed
			if !changed || !e.StuckAt.Equal(noon.Add(10*time.Second)) {
				t.Errorf("the event changes: %v, and the alert is due at %s, want ten seconds after noon", changed, e.StuckAt)
			}
			e.StuckAt, e.StuckAlerted = time.Time{}, true
			if e = afterNote(t, e, true, incident.Note{Kind: incident.NoteStuck, Incident: i}).Event; !e.StuckAt.Equal(noon.Add(16 * time.Minute)) {
				t.Errorf("the second alert is due at %s, want 16 minutes after noon", e.StuckAt)
			}
		})
	}
}

// TestNoteOverdueChangesNothing: an overdue note changes no event if the flow log is back, or if the store no longer
// has the event.
func TestNoteOverdueChangesNothing(t *testing.T) {
	t.Parallel()
	back := incident.Note{Kind: incident.NoteOverdue, Incident: lost("fl-1", incident.Verified)}
	if afterNote(t, incident.Event{}, true, back).Changed {
		t.Error("an event is overdue because of an incident that is back")
	}
	open := incident.Note{Kind: incident.NoteOverdue, Incident: lost("fl-1", incident.Open)}
	if afterNote(t, incident.Event{}, false, open).Changed {
		t.Error("an event that the store no longer has is made again without an alert")
	}
}

func TestAfterNoteKnown(t *testing.T) {
	t.Parallel()
	held := func(e *incident.Event) { e.Unknown, e.DeletionAlertedAt = true, time.Time{} }
	for name, tt := range map[string]struct {
		change       func(*incident.Event)
		incident     incident.Incident
		changed, due bool
	}{
		"held back":          {held, lost("fl-1", incident.Open), true, true},
		"alerted as unknown": {func(e *incident.Event) { e.Unknown = true }, lost("fl-1", incident.Open), true, false},
		"known before":       {nil, lost("fl-1", incident.Open), false, false},
		"overdue in a day because of another one": {func(e *incident.Event) { e.OverdueAt = noon.Add(24 * time.Hour) }, lost("fl-1", incident.Open), true, false},
		"dropped to save space":                   {func(e *incident.Event) { *e = incident.Event{} }, lost("fl-1", incident.Open), true, true},
		"without the ID of an event":              {held, with(lost("fl-1", incident.Open), func(i *incident.Incident) { i.EventID = "" }), false, false},
		"of a drift":                              {held, drift("fl-1", nil), false, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			e := alerted(tt.change)
			o := afterNote(t, e, e.ID != "", incident.Note{Kind: incident.NoteKnown, Incident: tt.incident})
			e, changed, due := o.Event, o.Changed, o.HeldDue
			if o.Alert != nil {
				t.Errorf("an alert without the facts: %+v", o.Alert)
			}
			if at := e.OverdueAt; at.After(noon.Add(5 * time.Minute)) {
				t.Errorf("overdue only at %v", at)
			}
			if changed != tt.changed || due != tt.due || changed && (e.Unknown || e.ID != "e-1" || e.Level != alert.High) {
				t.Errorf("changed %v, due %v; want %v, %v; the event is %+v", changed, due, tt.changed, tt.due, e)
			}
		})
	}
}

func TestHeldAlert(t *testing.T) {
	t.Parallel()
	e := alerted(nil)
	e.DeletionAlertedAt, e.OverdueAt = time.Time{}, time.Time{}
	e, a := notify.HeldAlert(e, []incident.Incident{lost("fl-1", incident.Open)}, []string{alert.NoMFA}, noon)
	if a.Kind != alert.Deletion || a.Level != alert.Critical || !slices.Equal(a.RaisedBy, []string{alert.NoMFA}) || !slices.Equal(named(a), []string{"fl-1"}) {
		t.Errorf("the alert is %+v", a)
	}
	if e.Level != alert.Critical || !e.DeletionAlertedAt.Equal(noon) {
		t.Errorf("the event is %+v", e)
	}
	wantTimes(t, e, 5*time.Minute, 5*time.Minute, never)
}

func TestAfterNoteNotDelivering(t *testing.T) {
	t.Parallel()
	n := incident.Note{Kind: incident.NoteNotDelivering, Incident: lost("fl-1", incident.Restored), Message: "Access error"}
	for _, found := range []bool{true, false} {
		e := incident.Event{}
		if found {
			e = alerted(nil)
		}
		o := afterNote(t, e, found, n)
		if o.Alert == nil || o.Changed || o.HeldDue {
			t.Fatalf("the outcome is %+v", o)
		}
		a := *o.Alert
		if a.Kind != alert.Pipeline || a.Level != alert.High || a.Part != alert.PartDelivery || a.EventID != "e-1" || a.FlowLogs[0].ErrorMessage != "Access error" || a.Resolves() {
			t.Errorf("the alert is %+v", a)
		}
	}
}

// TestAfterNoteNotTagged: AWS most likely refuses the tags of all flow logs of an event, not only of one. So there is one alert
// a day for the event.
func TestAfterNoteNotTagged(t *testing.T) {
	t.Parallel()
	n := incident.Note{Kind: incident.NoteNotTagged, Incident: lost("fl-1", incident.Restored), Message: "not authorized"}
	n.Incident.Advice = "allow it"
	for name, tt := range map[string]struct {
		found bool
		last  time.Time
		due   bool
	}{
		"the first":                          {true, time.Time{}, true},
		"of an event that was dropped":       {false, time.Time{}, true},
		"just now":                           {true, noon, false},
		"almost a day ago":                   {true, ago(incident.RemindAfter - 1), false},
		"a day ago":                          {true, ago(incident.RemindAfter), true},
		"in the future: the clock went back": {true, noon.Add(time.Second), true},
		"an hour ago, by an event that was dropped": {false, ago(time.Hour), true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			e := alerted(func(e *incident.Event) { e.NotTaggedAt = tt.last })
			o := afterNote(t, e, tt.found, n)
			after, a, due := o.Event, o.Alert, o.Alert != nil
			if due != tt.due || o.Changed != (tt.due && tt.found) || o.HeldDue {
				t.Fatalf("due %v, want %v; the outcome is %+v", due, tt.due, o)
			}
			if !due {
				if !reflect.DeepEqual(after, e) {
					t.Errorf("the event is %+v", after)
				}
				return
			}
			if !after.NotTaggedAt.Equal(noon) {
				t.Errorf("the alert is noted at %v", after.NotTaggedAt)
			}
			if a.Kind != alert.Pipeline || a.Level != alert.High || a.Rule != nil || a.Part != alert.PartTags || !strings.Contains(a.Cause, n.Message) || a.Advice != "allow it" {
				t.Errorf("the alert is %+v", a)
			}
		})
	}
}
