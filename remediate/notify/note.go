package notify

import (
	"fmt"
	"strconv"
	"time"

	"flowkeeper/alert"
	"flowkeeper/remediate/incident"
)

// NoteOutcome is what a note means for the event of its incident.
type NoteOutcome struct {
	Event   incident.Event // after the note
	Changed bool           // the event is to be written
	Alert   *alert.Alert   // that is due at once; nil: none
	HeldDue bool           // the deletion alert that was held is due: see HeldAlert
}

// AfterNote is the outcome of a note. e is the event of the note's incident; found says that the store has it. If
// not, the event is made again if an alert of it must follow. An unknown kind of note is an error.
func AfterNote(e incident.Event, found bool, n incident.Note, p incident.Policy, now time.Time) (NoteOutcome, error) {
	o, i := NoteOutcome{Event: e}, n.Incident
	switch n.Kind {
	case incident.NoteLineage:
		o.Changed = true
		o.Event = incident.Event{Scope: i.Scope, ID: i.EventID, Source: incident.ByDrift, Level: alert.High, DetectedAt: now,
			Deadline: now.Add(incident.NotifyDriftAfter), OverdueAt: now}
	case incident.NoteReopened:
		o.Event, o.Changed = afterReopen(e, now)
	case incident.NoteRequested:
		if found {
			o.Event, o.Changed = afterReopen(e, now)
			break
		}
		o.Event, o.Changed = eventOf(i, alert.Low, now), true
		o.Event.DeletionAlertedAt, o.Event.Deadline, o.Event.OverdueAt = now, now.Add(incident.NotifyRestoredAfter), i.OverdueAt(p)
	case incident.NoteOverdue:
		if found {
			o.Event, o.Changed = WithOverdueBy(e, i.OverdueAt(p))
		}
	case incident.NoteKnown:
		o = afterKnown(e, found, i, p)
	case incident.NoteStuck:
		if !found {
			e = eventOf(i, alert.High, now)
			e.DeletionAlertedAt = now
		}
		o.Event, o.Changed = afterStuck(e, i, now)
	case incident.NoteNotDelivering:
		a := ofReplacement(e, found, n, alert.PartDelivery, now)
		o.Alert = &a
	case incident.NoteNotTagged:
		o = afterNotTagged(e, found, n, now)
	default:
		return o, fmt.Errorf("a note of an unknown kind: %s", n.Kind)
	}
	return o, nil
}

// afterStuck is the event of an incident that is stuck for a reason that no alert has given yet. It does not
// change if an alert about another one is to come, which gives this reason, too.
func afterStuck(e incident.Event, i incident.Incident, now time.Time) (_ incident.Event, changed bool) {
	switch {
	case i.Reason == incident.TokenUsed && !e.TokenUsed: // it may be back soon, but people need an alert about it all the same
		e.TokenUsed, e.StuckAt = true, incident.Soonest(e.StuckAt, now.Add(incident.NotifyTokenUsedAfter))
	case !e.StuckAt.IsZero():
		return e, false
	case e.StuckAlerted:
		e.StuckAt = now.Add(incident.NotifyStuckAgainAfter)
	default:
		e.StuckAt = now.Add(incident.NotifyStuckAfter)
	}
	return e, true
}

// eventOf is an event that the store no longer has, as far as an incident of it shows.
func eventOf(i incident.Incident, level alert.Level, detected time.Time) incident.Event {
	return incident.Event{Scope: i.Scope, ID: i.EventID, Source: i.Source, Actor: i.Actor, DeletedAt: i.DeletedAt, Level: level, DetectedAt: detected}
}

// afterReopen is an event with an incident that is open again, so that its end must be alerted
// again. It does not change if no restored or closed alert of it was made.
func afterReopen(e incident.Event, now time.Time) (_ incident.Event, changed bool) {
	if e.RestoredAlertedAt.IsZero() && e.ClosedAlertedAt.IsZero() {
		return e, false
	}
	due := now.Add(incident.NotifyRestoredAfter)
	if e.Source == incident.ByDrift && e.DeletionAlertedAt.IsZero() { // the deletion alert of its other flow logs is still to come
		due = incident.Soonest(e.Deadline, now.Add(incident.NotifyDriftAfter))
	}
	e.ReopenedAt, e.RestoredAlertedAt, e.ClosedAlertedAt, e.Deadline = now, time.Time{}, time.Time{}, due
	e.OverdueAt = incident.Soonest(e.OverdueAt, now.Add(incident.OverdueAfter))
	return e, true
}

// WithOverdueBy is an event of which an incident is overdue at a time; zero means never. earlier says
// that no incident of it was overdue so early before.
func WithOverdueBy(e incident.Event, at time.Time) (_ incident.Event, earlier bool) {
	if at.IsZero() || !e.OverdueAt.IsZero() && !at.Before(e.OverdueAt) {
		return e, false
	}
	e.OverdueAt = at
	return e, true
}

// afterKnown is the outcome for an incident whose flow log the snapshot knows by now. The deletion alert is due if it
// was held while the event named no known flow log. If that alert was made before, the event is due when this flow log
// is overdue: after an alert about another one that is not back, it may be due in a day only.
func afterKnown(e incident.Event, found bool, i incident.Incident, p incident.Policy) NoteOutcome {
	o, alerted := NoteOutcome{Event: e, Changed: true}, found && !e.Unknown
	switch {
	case i.Source != incident.ByEvent || i.EventID == "":
		o.Changed = false
		return o
	case alerted:
		o.Event, o.Changed = WithOverdueBy(e, i.OverdueAt(p))
		return o
	case !found: // dropped to save space
		o.Event = eventOf(i, alert.High, i.DetectedAt)
	}
	o.Event.Unknown, o.HeldDue = false, o.Event.DeletionAlertedAt.IsZero()
	return o
}

// HeldAlert is the deletion alert that was held, and the event after it. The facts raise
// its level.
func HeldAlert(e incident.Event, incidents []incident.Incident, facts []string, now time.Time) (incident.Event, alert.Alert) {
	e.Level = e.Level.RaisedBy(facts)
	e.DeletionAlertedAt, e.Deadline = now, now.Add(incident.NotifyRestoredAfter)
	e.OverdueAt = incident.Soonest(e.OverdueAt, now.Add(incident.OverdueAfter))
	return e, deletionAlert(e, incidents, facts, now)
}

// afterNotTagged is the outcome of a note that AWS refuses tags of the replacement. There is no alert if the event had
// such an alert within a day: AWS most likely refuses the tags of its other flow logs, too.
func afterNotTagged(e incident.Event, found bool, n incident.Note, now time.Time) NoteOutcome {
	if found && incident.IsRecent(e.NotTaggedAt, now, incident.RemindAfter) {
		return NoteOutcome{Event: e}
	}
	e.NotTaggedAt = now
	a := ofReplacement(e, found, n, alert.PartTags, now)
	a.Cause, a.Advice = "AWS refuses tags that the lost flow log had: "+n.Message, n.Incident.Advice
	return NoteOutcome{Event: e, Changed: found, Alert: &a}
}

// ofReplacement is a pipeline alert about the replacement of the note's incident.
func ofReplacement(e incident.Event, found bool, n incident.Note, part alert.Part, now time.Time) alert.Alert {
	i := n.Incident
	if !found {
		e = eventOf(i, alert.High, time.Time{})
	}
	a := eventAlert(e, alert.Pipeline, now, i.FlowLogID, string(i.Reason), strconv.FormatInt(now.Unix(), 10))
	a.Level, a.Rule, a.Part = alert.High, nil, part
	a.FlowLogs = FlowLogs([]incident.Incident{i})
	a.FlowLogs[0].ErrorMessage = n.Message
	return a
}
