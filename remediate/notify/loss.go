package notify

import (
	"time"

	"flowkeeper/alert"
	"flowkeeper/remediate/incident"
)

// Loss is what an event of a refresh owes about the flow logs that the refresh found gone.
type Loss struct {
	Event     incident.Event
	Incidents []incident.Incident // that the alert names; those that need none are left out
	Due       bool                // the alert is due now: see Alert
	Quiet     bool                // all of it is known to be none that people are to be woken for
}

// EvaluateLoss says whether the deletion alert of such an event is due: as soon as one of
// its incidents is decided. While all that is decided is quiet, it waits for the rest.
// When it is late, it waits for none.
func EvaluateLoss(e incident.Event, incidents []incident.Incident, late bool, now time.Time) Loss {
	l := Loss{Event: e, Quiet: true}
	decided := 0
	for _, i := range incidents {
		if i.Adopted || i.Reason == incident.StillThere {
			continue
		}
		l.Incidents = append(l.Incidents, i)
		if i.Decided() {
			l.Quiet, decided = l.Quiet && i.Quiet(), decided+1
		}
	}
	undecided := decided < len(l.Incidents)
	l.Due = late && len(l.Incidents) > 0 || decided > 0 && !(l.Quiet && undecided)
	if !l.Due && decided > 0 {
		l.Event.DueAt = incident.Soonest(e.DueAt, now.Add(incident.NotifyDriftAfter)) // of an older file: later
	}
	l.Quiet = l.Quiet && !undecided
	return l
}

// Alert is the deletion alert, and the event after it. The facts raise its level, unless
// it is quiet.
func (l Loss) Alert(facts []string, now time.Time) (incident.Event, alert.Alert) {
	e := l.Event
	if l.Quiet {
		e.Level, facts = alert.Informational, nil
	}
	e.Level, facts = Raised(e.Level, facts)
	e.ToldDeletion, e.ToldClosed, e.DueAt = now, time.Time{}, now.Add(incident.NotifyRestoredAfter) // an end before it was none that people know of
	a := DeletionAlert(e, l.Incidents, now)
	a.RaisedBy = facts
	for n, i := range l.Incidents {
		if i.State == incident.Open && i.WaitUntil.After(now) {
			a.FlowLogs[n].NextAttemptAt = &alert.Time{Time: i.WaitUntil}
		}
	}
	return e, a
}
