package notify

import (
	"time"

	"flowkeeper/remediate/incident"
)

// Waiting counts open incidents that a rule's wait holds back: the alerts about the others
// come without them.
const Waiting incident.State = "waiting"

// Tally counts the incidents of an event by state, with [Waiting] as one of these.
type Tally map[incident.State]int

// missing are those that are to come back, and wait for nobody.
func (n Tally) missing() int { return n[incident.Open] + n[incident.Blocked] }

// over reports whether none is missing, waits, or is to be verified.
func (n Tally) over() bool { return n.missing()+n[Waiting]+n[incident.Restored] == 0 }

// OwesNothing reports whether no alert of the event can be due, whatever its incidents are:
// it is over, or its deletion alert is held back.
func OwesNothing(e incident.Event) bool {
	if e.DeletionAlertedAt.IsZero() && e.Source == incident.ByEvent {
		return true
	}
	return !e.ClosedAlertedAt.IsZero() && e.Due().IsZero()
}

// LossIsDue reports whether the deletion alert of a refresh is late.
func LossIsDue(e incident.Event, now time.Time) bool {
	return e.DeletionAlertedAt.IsZero() && !e.DueAt.IsZero() && !now.Before(e.DueAt)
}

// IsDue reports whether a time of the event has come, so that it may owe an alert though
// incidents of it are open.
func IsDue(e incident.Event, now time.Time) bool { return isLate(e, now) || isNotBackDue(e, now) }

// isLate reports whether an alert about some of the flow logs waits for the others no
// longer: its time has come, or there is none (zero).
func isLate(e incident.Event, now time.Time) bool { return !now.Before(e.DueAt) }

func isNotBackDue(e incident.Event, now time.Time) bool {
	at := incident.Soonest(e.StuckAt, e.OverdueAt)
	return !at.IsZero() && !now.Before(at)
}

// WhileMissing is an event of which flow logs are missing: if they stay so, an alert is due.
func WhileMissing(e incident.Event, now time.Time) incident.Event {
	if e.OverdueAt.IsZero() {
		e.OverdueAt = now.Add(incident.OverdueAfter)
	}
	return e
}

// Owed is what an event owes, as far as the tally of its incidents shows.
type Owed struct {
	Event    incident.Event // with the times that follow, but for those of a [NotBack]
	NotBack  bool           // an alert about what is stuck or overdue, if any of the incidents is
	Restored bool           // see RestoredAlert
	Closed   bool           // see ClosedAlert
}

// Evaluate says what an event owes: once, when all of it is restored or settled, or
// [incident.NotifyRestoredAfter] has passed, that it is restored; once, when nothing is left
// to do, that it is closed.
func Evaluate(e incident.Event, n Tally, now time.Time) Owed {
	owed := Owed{Event: e, NotBack: owesNotBack(e, n, now), Restored: owesRestored(e, n, now), Closed: owesClosed(e, n, now)}
	if owed.Restored {
		owed.Event.RestoredAlertedAt = now
	}
	if owed.Closed {
		owed.Event.ClosedAlertedAt = now
	}
	if isLate(e, now) || !owed.Event.ClosedAlertedAt.IsZero() {
		owed.Event.DueAt = time.Time{}
	}
	switch {
	case n.over():
		owed.Event.OverdueAt = time.Time{}
	case n.missing() > 0:
		owed.Event = WhileMissing(owed.Event, now)
	}
	return owed
}

func owesNotBack(e incident.Event, n Tally, now time.Time) bool {
	switch {
	case isNotBackDue(e, now):
		return true
	case e.StuckAt.IsZero():
		return false
	case n.over():
		return true // later there would be no alert that closes it
	}
	return !e.StuckAlerted && n[incident.Open] == 0 // no other can become stuck any more
}

func owesRestored(e incident.Event, n Tally, now time.Time) bool {
	back := n[incident.Restored] + n[incident.Verified]
	waits := n.missing() > 0 && !isLate(e, now)
	return e.RestoredAlertedAt.IsZero() && back > 0 && !waits
}

func owesClosed(e incident.Event, n Tally, now time.Time) bool {
	if !e.ClosedAlertedAt.IsZero() || !n.over() {
		return false
	}
	return n[incident.Verified]+n[incident.Closed] > 0 || wasDropped(e, n, now)
}

// wasDropped reports whether all incidents of an alerted event were dropped for room, and
// a time of it has come: nothing else would end it.
func wasDropped(e incident.Event, n Tally, now time.Time) bool {
	if len(n) > 0 || e.DeletionAlertedAt.IsZero() {
		return false
	}
	return isNotBackDue(e, now) || !e.DueAt.IsZero() && isLate(e, now)
}

// WasAlerted reports whether an alert of the event may have opened an incident at a pager.
func WasAlerted(e incident.Event) bool { return !e.DeletionAlertedAt.IsZero() || e.StuckAlerted }
