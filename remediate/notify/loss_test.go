package notify_test

import (
	"slices"
	"testing"
	"time"

	"flowkeeper/alert"
	"flowkeeper/remediate/incident"
	"flowkeeper/remediate/notify"
)

// drift is an incident of a flow log that a refresh found gone.
func drift(id string, change func(*incident.Incident)) incident.Incident {
	i := lost(id, incident.Open)
	i.Source, i.DeletedAt = incident.ByDrift, time.Time{}
	if change != nil {
		change(&i)
	}
	return i
}

func TestEvaluateLoss(t *testing.T) {
	t.Parallel()
	undecided := drift("fl-1", nil)
	restored := drift("fl-2", func(i *incident.Incident) { i.State = incident.Restored })
	released := drift("fl-3", func(i *incident.Incident) { i.State, i.Reason = incident.Closed, incident.Released })
	adopted := drift("fl-4", func(i *incident.Incident) { i.State, i.Adopted = incident.Restored, true })
	alive := drift("fl-5", func(i *incident.Incident) { i.State, i.Reason = incident.Closed, incident.StillThere })
	tried := drift("fl-6", func(i *incident.Incident) { i.Attempts, i.AbsentAt = 1, ago(time.Second) })
	notObserved := drift("fl-7", func(i *incident.Incident) { i.Attempts = 1 })
	notTried := drift("fl-8", func(i *incident.Incident) { i.AbsentAt = ago(time.Second) })
	noResource := drift("fl-9", func(i *incident.Incident) { i.NotFoundAt = ago(time.Second) })
	resourceGone := drift("fl-10", func(i *incident.Incident) { i.State, i.Reason = incident.Closed, incident.ResourceGone })
	flapping := drift("fl-11", func(i *incident.Incident) { i.Flapping = true })
	for name, tt := range map[string]struct {
		incidents              []incident.Incident
		due, dueAtDeadline     bool
		quiet, quietAtDeadline bool
	}{
		"none":                            {nil, false, false, true, true},
		"undecided":                       {[]incident.Incident{undecided}, false, true, false, false},
		"decided":                         {[]incident.Incident{restored}, true, true, false, false},
		"one is decided":                  {[]incident.Incident{undecided, restored}, true, true, false, false},
		"all are quiet":                   {[]incident.Incident{released}, true, true, true, true},
		"quiet, but one is undecided":     {[]incident.Incident{released, undecided}, false, true, false, false},
		"one is quiet":                    {[]incident.Incident{released, restored}, true, true, false, false},
		"a create was refused":            {[]incident.Incident{tried}, true, true, false, false},
		"an observation failed":           {[]incident.Incident{notObserved}, false, true, false, false},
		"absent, and not tried yet":       {[]incident.Incident{notTried}, false, true, false, false},
		"its resource seems to be gone":   {[]incident.Incident{noResource}, true, true, true, true},
		"its resource is gone":            {[]incident.Incident{resourceGone}, true, true, true, true},
		"held back":                       {[]incident.Incident{flapping}, true, true, false, false},
		"adopted, and one AWS shows":      {[]incident.Incident{adopted, alive}, false, false, true, true},
		"adopted, and one that is closed": {[]incident.Incident{adopted, released}, true, true, true, true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			e := incident.Event{Scope: scope, ID: "drift-1", Source: incident.ByDrift, Level: alert.High, Deadline: noon.Add(time.Second)}
			l := notify.EvaluateLoss(e, tt.incidents)
			if l.Decided != tt.due || l.Decided && l.Quiet != tt.quiet || !l.WithDeadline(noon).Deadline.Equal(e.Deadline) {
				t.Errorf("before the deadline: due %v, quiet %v; want %v, %v", l.Decided, l.Quiet, tt.due, tt.quiet)
			}
			if due := len(l.Incidents) > 0; due != tt.dueAtDeadline || due && l.Quiet != tt.quietAtDeadline {
				t.Errorf("at the deadline: due %v, quiet %v; want %v, %v", due, l.Quiet, tt.dueAtDeadline, tt.quietAtDeadline)
			}
		})
	}
}

// TestAQuietLossIsNotLate: if all decided flow logs are quiet, the alert waits for the undecided ones, but only for
// NotifyDriftAfter, even if an older version has stored a later time.
func TestAQuietLossIsNotLate(t *testing.T) {
	t.Parallel()
	undecided := drift("fl-1", nil)
	released := drift("fl-2", func(i *incident.Incident) { i.State, i.Reason = incident.Closed, incident.Released })
	restored := drift("fl-3", func(i *incident.Incident) { i.State = incident.Restored })
	e := incident.Event{Scope: scope, ID: "drift-1", Source: incident.ByDrift, Level: alert.High, Deadline: noon.Add(time.Hour)}
	for name, tt := range map[string]struct {
		incidents []incident.Incident
		due       time.Duration // after noon
	}{
		"one is quiet":             {[]incident.Incident{released, undecided}, incident.NotifyDriftAfter},
		"nothing is decided":       {[]incident.Incident{undecided}, time.Hour},
		"the alert is due at once": {[]incident.Incident{restored, undecided}, time.Hour},
	} {
		if got := notify.EvaluateLoss(e, tt.incidents).WithDeadline(noon).Deadline; !got.Equal(noon.Add(tt.due)) {
			t.Errorf("%s: due at %v, want %v", name, got, noon.Add(tt.due))
		}
	}
}

func TestLossAlert(t *testing.T) {
	t.Parallel()
	e := incident.Event{Scope: scope, ID: "drift-1", Source: incident.ByDrift, Level: alert.High, ClosedAlertedAt: ago(time.Second), Deadline: noon}
	waits := drift("fl-1", func(i *incident.Incident) { i.WaitUntil = noon.Add(time.Minute) })
	restored := drift("fl-2", func(i *incident.Incident) { i.State = incident.Restored })
	next, a := notify.EvaluateLoss(e, []incident.Incident{waits, restored}).Alert([]string{alert.WholeVPC}, incident.Policy{LateRecords: true}, noon)
	if a.Kind != alert.Deletion || a.Level != alert.Critical || !slices.Equal(a.RaisedBy, []string{alert.WholeVPC}) || !slices.Equal(named(a), []string{"fl-1", "fl-2"}) || !a.LateRecords {
		t.Errorf("the alert is %+v", a)
	}
	if attempt := a.FlowLogs[0].NextAttemptAt; attempt == nil || !attempt.Equal(waits.WaitUntil) || a.FlowLogs[1].NextAttemptAt != nil {
		t.Errorf("the next attempt is at %v, want %v", attempt, waits.WaitUntil)
	}
	if next.Level != a.Level || !next.DeletionAlertedAt.Equal(noon) || !next.ClosedAlertedAt.IsZero() || !next.Deadline.Equal(noon.Add(incident.NotifyRestoredAfter)) {
		t.Errorf("the event is %+v", next)
	}
	released := drift("fl-3", func(i *incident.Incident) { i.State, i.Reason = incident.Closed, incident.Released })
	if _, a := notify.EvaluateLoss(e, []incident.Incident{released}).Alert([]string{alert.WholeVPC}, incident.Policy{}, noon); a.Level != alert.Informational || len(a.RaisedBy) > 0 || a.LateRecords {
		t.Errorf("a loss that was allowed is %s, raised by %v", a.Level, a.RaisedBy)
	}
}

// TestAfterDrift: the event is due NotifyDriftAfter from now, and overdue when its first incident is. Earlier times
// stay.
func TestAfterDrift(t *testing.T) {
	t.Parallel()
	opened := []incident.Incident{drift("fl-1", nil)} // a minute ago
	e := notify.AfterDrift(incident.Event{ID: "e-1", Source: incident.ByDrift}, opened, incident.Policy{}, noon)
	wantTimes(t, e, incident.NotifyDriftAfter, 4*time.Minute, never)
	soon := incident.Event{ID: "e-1", Source: incident.ByDrift, Deadline: noon.Add(time.Second), OverdueAt: noon.Add(time.Minute)}
	wantTimes(t, notify.AfterDrift(soon, opened, incident.Policy{}, noon), time.Second, time.Minute, never)
}

func TestHasAlerts(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		event incident.Event
		want  bool
	}{
		"none yet": {incident.Event{Deadline: noon, OverdueAt: noon}, false},
		"gone":     {incident.Event{DeletionAlertedAt: noon}, true},
		"back":     {incident.Event{RestoredAlertedAt: noon}, true},
		"closed":   {incident.Event{ClosedAlertedAt: noon}, true},
	} {
		if got := notify.HasAlerts(tt.event); got != tt.want {
			t.Errorf("%s: %v", name, got)
		}
	}
}

// TestIsWaiting: the rule must be the same as the one that the store has in SQL for Waiting.
func TestIsWaiting(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		state incident.State
		until time.Time
		want  bool
	}{
		"open":                   {incident.Open, time.Time{}, false},
		"open, and waits":        {incident.Open, noon.Add(time.Millisecond), true},
		"open, until this time":  {incident.Open, noon, false},
		"open, and has waited":   {incident.Open, noon.Add(-time.Millisecond), false},
		"blocked before its end": {incident.Blocked, noon.Add(time.Hour), false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, a := notify.Loss{Incidents: []incident.Incident{{State: tt.state, WaitUntil: tt.until}}}.Alert(nil, incident.Policy{}, noon)
			if got := a.FlowLogs[0].NextAttemptAt != nil; got != tt.want {
				t.Errorf("waits: %v, want %v", got, tt.want)
			}
		})
	}
}
