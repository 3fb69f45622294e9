package notify

import (
	"time"

	"flowkeeper/remediate/incident"
)

// Waiting counts open incidents that wait because of a rule. The alerts about the other
// incidents of the event do not wait for them.
const Waiting incident.State = "waiting"

// isWaiting reports whether an incident counts as Waiting at a time. The store counts the incidents of a
// [Tally] in SQL, by the same rule (isWaiting in internal/store/events.go).
func isWaiting(i incident.Incident, now time.Time) bool {
	return i.State == incident.Open && i.WaitUntil.After(now)
}

// Tally counts the incidents of an event by state. [Waiting] is one of the states.
type Tally map[incident.State]int

// missing counts the incidents whose flow logs are to be restored now.
func (n Tally) missing() int { return n[incident.Open] + n[incident.Blocked] }

// over reports whether no incident is missing, waits, or is yet to be verified.
func (n Tally) over() bool { return n.missing()+n[Waiting]+n[incident.Restored] == 0 }

// OwesNothing reports whether no alert of the event can be due, whatever the states of its
// incidents are: its closed alert is made and no time is set, or its deletion alert is held.
func OwesNothing(e incident.Event) bool {
	if e.DeletionAlertedAt.IsZero() && e.Source == incident.ByEvent {
		return true
	}
	return !e.ClosedAlertedAt.IsZero() && e.Due().IsZero()
}

// CountsEverNamed reports whether all incidents count that the event ever named, and not only those that belong to
// it now: that is so once its deletion alert has named them.
func CountsEverNamed(e incident.Event) bool { return !e.DeletionAlertedAt.IsZero() }

// AwaitsLoss reports whether a refresh found the loss, and its deletion alert is still to come. It is the first: if any
// time of the event has come, that alert is due.
func AwaitsLoss(e incident.Event) bool {
	return e.Source == incident.ByDrift && e.DeletionAlertedAt.IsZero()
}

// LossIsDue reports whether the time has come for the deletion alert about a loss that a
// refresh found.
func LossIsDue(e incident.Event, now time.Time) bool {
	return AwaitsLoss(e) && deadlinePassed(e, now)
}

// OneOpenIsEnough reports whether no alert of the event is due as long as one of its incidents is open. If one is
// open, [Evaluate] then needs a tally of that incident only.
func OneOpenIsEnough(e incident.Event, now time.Time) bool {
	return mustWait(e, now) && !notBackIsDue(e, now)
}

// mustWait reports whether the next alert waits until it is decided what becomes of all flow logs of the event.
func mustWait(e incident.Event, now time.Time) bool { return now.Before(e.Deadline) }

// deadlinePassed reports whether the event has a deadline, and that has come.
func deadlinePassed(e incident.Event, now time.Time) bool {
	return !e.Deadline.IsZero() && !mustWait(e, now)
}

// notBackIsDue reports whether the time has come for an alert about incidents that are stuck or overdue.
func notBackIsDue(e incident.Event, now time.Time) bool {
	at := incident.Soonest(e.StuckAt, e.OverdueAt)
	return !at.IsZero() && !now.Before(at)
}

// withOverdueTime is an event of which flow logs are missing, with a time when the alert that they
// are overdue is due.
func withOverdueTime(e incident.Event, now time.Time) incident.Event {
	if e.OverdueAt.IsZero() {
		e.OverdueAt = now.Add(incident.OverdueAfter)
	}
	return e
}

// Owed says which alerts of an event are due, as far as the tally of its incidents shows.
type Owed struct {
	Event   incident.Event // the event afterwards; NotBackAlerts have the times that follow from those
	Tally   Tally
	NotBack bool // the alert about incidents that are stuck or overdue, if there are any

	restored bool // the restored alert is due
	closed   bool // the event is over
}

// End says which alerts about the end of an event are due.
type End struct {
	Event    incident.Event
	Restored bool // see RestoredAlert
	Closed   bool // see ClosedAlert
}

// End says which alerts about the end of the event are due. after is the event after the alerts about what is not
// back; without those, it is the Event of o. The closed alert is due only if a pager may have opened an incident for
// the event, and such an alert opens one, too.
func (o Owed) End(after incident.Event) End {
	paged := !after.DeletionAlertedAt.IsZero() || after.StuckAlerted
	return End{Event: after, Restored: o.restored, Closed: o.closed && paged}
}

// Evaluate says which alerts of an event are due. The restored alert is due once: when no
// flow log of the event is missing any more, or when [incident.NotifyRestoredAfter] has
// passed and some are back. The closed alert is due once, when nothing is left to do.
func Evaluate(e incident.Event, n Tally, now time.Time) Owed {
	owed := Owed{Tally: n, NotBack: owesNotBack(e, n, now), restored: owesRestored(e, n, now), closed: owesClosed(e, n, now)}
	if owed.restored {
		e.RestoredAlertedAt = now
	}
	if owed.closed {
		e.ClosedAlertedAt = now
	}
	if owed.closed || !mustWait(e, now) {
		e.Deadline = time.Time{}
	}
	switch {
	case n.over():
		e.OverdueAt = time.Time{}
	case n.missing() > 0:
		e = withOverdueTime(e, now)
	}
	owed.Event = e
	return owed
}

func owesNotBack(e incident.Event, n Tally, now time.Time) bool {
	switch {
	case notBackIsDue(e, now):
		return true
	case e.StuckAt.IsZero():
		return false
	case n.over():
		return true // after the closed alert, no other alert would resolve it
	}
	return !e.StuckAlerted && n[incident.Open] == 0 // no further incident can become stuck
}

func owesRestored(e incident.Event, n Tally, now time.Time) bool {
	back := n[incident.Restored] + n[incident.Verified]
	waits := n.missing() > 0 && mustWait(e, now)
	return e.RestoredAlertedAt.IsZero() && back > 0 && !waits
}

func owesClosed(e incident.Event, n Tally, now time.Time) bool {
	if !e.ClosedAlertedAt.IsZero() || !n.over() {
		return false
	}
	return n[incident.Verified]+n[incident.Closed] > 0 || wasDropped(e, n, now)
}

// wasDropped reports whether all incidents of an alerted event were dropped to save space,
// and a time of the event has come. Nothing else would close it.
func wasDropped(e incident.Event, n Tally, now time.Time) bool {
	if len(n) > 0 || e.DeletionAlertedAt.IsZero() {
		return false
	}
	return notBackIsDue(e, now) || deadlinePassed(e, now)
}

// ClearTimes clears the times of a due event that owes no alert: otherwise it would be due for ever. before and
// after are the event before and after all of its alerts were evaluated. If that changed its times, or if it is not
// due any more, nothing is cleared.
func ClearTimes(before, after incident.Event, now time.Time) (_ incident.Event, cleared bool) {
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
