package notify

import (
	"time"

	"flowkeeper/alert"
	"flowkeeper/remediate/incident"
)

// Loss is what a refresh found gone, of which there was no deletion alert yet.
type Loss struct {
	Event     incident.Event
	Incidents []incident.Incident // that the alert names; those that need no alert are left out
	Decided   bool                // the alert is due, even before the deadline of the event
	Quiet     bool                // all incidents are decided, and none of them should wake people

	waits bool // some are decided, and the alert is not due
}

// EvaluateLoss is the loss of an event that has the incidents. Its alert is due as soon as one of them is decided. If
// all decided ones are quiet, it waits for the others.
func EvaluateLoss(e incident.Event, incidents []incident.Incident) Loss {
	l := Loss{Event: e}
	decided, quiet := 0, true // quiet: all decided ones are
	for _, i := range incidents {
		if !isLoss(i) {
			continue
		}
		l.Incidents = append(l.Incidents, i)
		if isDecided(i) {
			quiet, decided = quiet && isQuiet(i), decided+1
		}
	}
	undecided := decided < len(l.Incidents)
	l.waits = decided > 0 && quiet && undecided // an undecided one may turn out not to be quiet
	l.Decided = decided > 0 && !l.waits
	l.Quiet = quiet && !undecided
	return l
}

// WithDeadline is the event of the loss, with a deadline if the alert waits.
func (l Loss) WithDeadline(now time.Time) incident.Event {
	e := l.Event
	if l.waits {
		e.Deadline = incident.Soonest(e.Deadline, now.Add(incident.NotifyDriftAfter)) // an older version may have stored a later time
	}
	return e
}

// AfterDrift is the event of a refresh after some incidents were opened for it, with the times when the
// alerts about them are due.
func AfterDrift(e incident.Event, opened []incident.Incident, p incident.Policy, now time.Time) incident.Event {
	e.Deadline = incident.Soonest(e.Deadline, now.Add(incident.NotifyDriftAfter))
	e.OverdueAt = incident.Soonest(e.OverdueAt, incident.FirstOverdue(opened, p, now))
	return e
}

// HasAlerts reports whether there was a deletion, restored or closed alert of an event.
func HasAlerts(e incident.Event) bool {
	return !e.DeletionAlertedAt.IsZero() || !e.RestoredAlertedAt.IsZero() || !e.ClosedAlertedAt.IsZero()
}

// IsDecidedLoss reports whether the deletion alert of a loss that a refresh found names an
// incident, and either it is decided what becomes of the incident, or a create was tried.
func IsDecidedLoss(i incident.Incident) bool { return isLoss(i) && isDecided(i) }

func isLoss(i incident.Incident) bool { return !i.Adopted && i.Reason != incident.StillThere }

func isDecided(i incident.Incident) bool {
	tried := i.Attempts > 0 && !i.AbsentAt.IsZero() || !i.NotFoundAt.IsZero()
	return i.State != incident.Open || tried || i.Flapping
}

// isQuiet reports whether the loss should not wake people.
func isQuiet(i incident.Incident) bool {
	return !i.NotFoundAt.IsZero() || i.Reason == incident.ResourceGone || i.Reason == incident.Released
}

// Alert is the deletion alert, and the event after it. The facts raise the level, unless the
// loss is quiet.
func (l Loss) Alert(facts []string, p incident.Policy, now time.Time) (incident.Event, alert.Alert) {
	e := l.Event
	if l.Quiet {
		e.Level, facts = alert.Informational, nil
	}
	e.Level = e.Level.RaisedBy(facts)
	e.DeletionAlertedAt, e.ClosedAlertedAt, e.Deadline = now, time.Time{}, now.Add(incident.NotifyRestoredAfter) // a closed alert before this one does not count
	a := deletionAlert(e, l.Incidents, facts, now)
	a.LateRecords = p.LateRecords
	for n, i := range l.Incidents {
		if isWaiting(i, now) {
			a.FlowLogs[n].NextAttemptAt = alert.At(i.WaitUntil)
		}
	}
	return e, a
}
