package notify

import (
	"time"

	"flowkeeper/remediate/incident"
)

// AwaitsLoss reports whether a refresh found the loss, and its deletion alert is still to come. It is the first: if any
// time of the event has come, that alert is due.
func AwaitsLoss(e incident.Event) bool {
	return e.Source == incident.ByDrift && e.DeletionAlertedAt.IsZero()
}

// CountsEver reports whether the deletion alert of an event has named its incidents. Then all incidents count
// that the event ever named, and not only those that belong to it now.
func CountsEver(e incident.Event) bool { return !e.DeletionAlertedAt.IsZero() }

// NothingOwed clears the times of a due event that owes no alert: otherwise it would be due for ever. before and
// after are the event before and after all of its alerts were evaluated. If that changed its times, or if it is not
// due any more, nothing is cleared.
func NothingOwed(before, after incident.Event, now time.Time) (_ incident.Event, cleared bool) {
	if !after.SameTimes(before) || after.Due().After(now) {
		return after, false
	}
	after.Deadline, after.StuckAt, after.OverdueAt = time.Time{}, time.Time{}, time.Time{}
	return after, true
}

// OverdueTimes are the times when the first incident of each event is overdue, by the event's ID, without the event
// except: a record of one event may have ended a wait that another event began.
func OverdueTimes(incidents []incident.Incident, except string, p incident.Policy, now time.Time) map[string]time.Time {
	due := map[string]time.Time{}
	for _, i := range incidents {
		if at := i.ClampTimes(now, p).OverdueAt(p); i.EventID != except && !at.IsZero() {
			due[i.EventID] = incident.Soonest(due[i.EventID], at)
		}
	}
	return due
}
