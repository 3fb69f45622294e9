package notify

import (
	"time"

	"flowkeeper/remediate/incident"
)

// AwaitsLoss reports whether the deletion alert of what a refresh found gone is still to come: when
// a time of the event comes first, that alert is late.
func AwaitsLoss(e incident.Event) bool {
	return e.Source == incident.ByDrift && e.DeletionAlertedAt.IsZero()
}

// CountsEver reports whether each incident counts that an event ever named, and not only those that belong
// to it now: the alert of the deletion has named them.
func CountsEver(e incident.Event) bool { return !e.DeletionAlertedAt.IsZero() }

// NothingOwed is a due event after all of its alerts were evaluated. ok says that it owes nothing, though it
// is due all the same: its times are cleared, or it would be due for ever. before is the event before that.
func NothingOwed(before, after incident.Event, now time.Time) (_ incident.Event, ok bool) {
	if !after.SameTimes(before) || after.Due().After(now) {
		return after, false
	}
	after.DueAt, after.StuckAt, after.OverdueAt = time.Time{}, time.Time{}, time.Time{}
	return after, true
}

// OverdueTimes are when the first incident of each event but one is overdue, by the event's ID: a record may have
// ended a wait that another event began.
func OverdueTimes(incidents []incident.Incident, but string, p incident.Policy, now time.Time) map[string]time.Time {
	due := map[string]time.Time{}
	for _, i := range incidents {
		if at := i.ClampTimes(now, p).OverdueAt(p); i.EventID != but && !at.IsZero() {
			due[i.EventID] = incident.Soonest(due[i.EventID], at)
		}
	}
	return due
}
