package notify

import (
	"strconv"
	"time"

	"flowkeeper/alert"
	"flowkeeper/remediate/incident"
)

// AfterNote is the event of a note's incident after the note. found says that the store has
// the event; if not, it is made again if an alert of it must follow. For [incident.NoteKnown] and [incident.NoteNotDelivering] see [KnownNow] and
// [NotDelivering].
func AfterNote(e incident.Event, found bool, n incident.Note, p incident.Policy, now time.Time) (_ incident.Event, changed bool) {
	i := n.Incident
	switch n.Kind {
	case incident.NoteLineage:
		return incident.Event{Scope: i.Scope, ID: i.EventID, Source: incident.ByDrift, Level: alert.High, DetectedAt: now,
			Deadline: now.Add(incident.NotifyDriftAfter), OverdueAt: now}, true
	case incident.NoteReopened:
		return reopened(e, now)
	case incident.NoteRequested:
		if found {
			return reopened(e, now)
		}
		e = eventOf(i, alert.Low, now)
		e.DeletionAlertedAt, e.Deadline, e.OverdueAt = now, now.Add(incident.NotifyRestoredAfter), i.OverdueAt(p)
		return e, true
	case incident.NoteOverdue:
		next, earlier := OverdueBy(e, i.OverdueAt(p))
		return next, found && earlier
	case incident.NoteStuck:
		if !found {
			e = eventOf(i, alert.High, now)
			e.DeletionAlertedAt = now
		}
		return stuck(e, i, now)
	}
	return e, false
}

// stuck is the event of an incident that is stuck for a reason that no alert has given yet. It does not
// change if an alert about another one is to come, which gives this reason, too.
func stuck(e incident.Event, i incident.Incident, now time.Time) (_ incident.Event, changed bool) {
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

// reopened is an event with an incident that is open again, so that its end must be alerted
// again. It does not change if no restored or closed alert of it was made.
func reopened(e incident.Event, now time.Time) (_ incident.Event, changed bool) {
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

// OverdueBy is an event of which an incident is overdue at a time; zero means never. earlier says
// that no incident of it was overdue so early before.
func OverdueBy(e incident.Event, at time.Time) (_ incident.Event, earlier bool) {
	if at.IsZero() || !e.OverdueAt.IsZero() && !at.Before(e.OverdueAt) {
		return e, false
	}
	e.OverdueAt = at
	return e, true
}

// KnownNow is the event of an incident whose flow log the snapshot knows by now. due says that
// its deletion alert is due, which was held while the event named no known flow log (see [KnownAlert]).
// If that alert was made before, the event is due when this flow log is overdue: after an alert about
// another one that is not back, it may be due in a day only.
func KnownNow(e incident.Event, found bool, i incident.Incident, p incident.Policy) (_ incident.Event, changed, due bool) {
	alerted := found && !e.Unknown
	switch {
	case i.Source != incident.ByEvent || i.EventID == "":
		return e, false, false
	case alerted:
		e, earlier := OverdueBy(e, i.OverdueAt(p))
		return e, earlier, false
	case !found: // dropped to save space
		e = eventOf(i, alert.High, i.DetectedAt)
	}
	e.Unknown = false
	return e, true, e.DeletionAlertedAt.IsZero()
}

// KnownAlert is the deletion alert that was held, and the event after it. The facts raise
// its level.
func KnownAlert(e incident.Event, incidents []incident.Incident, facts []string, now time.Time) (incident.Event, alert.Alert) {
	e.Level = e.Level.RaisedBy(facts)
	e.DeletionAlertedAt, e.Deadline = now, now.Add(incident.NotifyRestoredAfter)
	e.OverdueAt = incident.Soonest(e.OverdueAt, now.Add(incident.OverdueAfter))
	return e, deletionAlert(e, incidents, facts, now)
}

// NotDelivering is the alert that AWS can't deliver what the replacement of a note records.
func NotDelivering(e incident.Event, found bool, n incident.Note, now time.Time) alert.Alert {
	return ofReplacement(e, found, n, alert.PartDelivery, now)
}

// NotTagged is the alert that AWS refuses tags of the replacement of a note, and the event
// after it. due is false if the event had such an alert within a day: AWS most likely
// refuses the tags of its other flow logs, too.
func NotTagged(e incident.Event, found bool, n incident.Note, now time.Time) (after incident.Event, a alert.Alert, due bool) {
	if found && incident.IsRecent(e.NotTaggedAt, now, incident.RemindAfter) {
		return e, a, false
	}
	e.NotTaggedAt = now
	a = ofReplacement(e, found, n, alert.PartTags, now)
	a.Cause, a.Advice = "AWS refuses tags that the lost flow log had: "+n.Message, n.Incident.Advice
	return e, a, true
}

// ofReplacement is a pipeline alert about the replacement of the note's incident.
func ofReplacement(e incident.Event, found bool, n incident.Note, part string, now time.Time) alert.Alert {
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
