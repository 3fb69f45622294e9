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

// OwesNothing reports whether no alert of the event can be due, whatever its incidents are:
// it is over, or its deletion alert is held back.
func OwesNothing(e incident.Event) bool {
	if e.ToldDeletion.IsZero() && e.Source == incident.ByEvent {
		return true
	}
	return !e.ToldClosed.IsZero() && e.Due().IsZero()
}

// LossIsDue reports whether the deletion alert of a refresh is late.
func LossIsDue(e incident.Event, now time.Time) bool {
	return e.ToldDeletion.IsZero() && !e.DueAt.IsZero() && !now.Before(e.DueAt)
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
	late, notBackDue := isLate(e, now), isNotBackDue(e, now)
	missing := n[incident.Open] + n[incident.Blocked]
	over := missing+n[Waiting]+n[incident.Restored] == 0
	dropped := len(n) == 0 && !e.ToldDeletion.IsZero() && (notBackDue || late && !e.DueAt.IsZero()) // for room: nothing else would end it
	owed := Owed{
		Event:    e,
		NotBack:  notBackDue || !e.StuckAt.IsZero() && (!e.StuckTold && n[incident.Open] == 0 || over), // after the end, nothing would close it
		Restored: e.ToldRestored.IsZero() && (missing == 0 || late) && n[incident.Restored]+n[incident.Verified] > 0,
		Closed:   e.ToldClosed.IsZero() && over && (n[incident.Verified]+n[incident.Closed] > 0 || dropped),
	}
	if owed.Restored {
		owed.Event.ToldRestored = now
	}
	if owed.Closed {
		owed.Event.ToldClosed = now
	}
	if late || !owed.Event.ToldClosed.IsZero() {
		owed.Event.DueAt = time.Time{}
	}
	switch {
	case over:
		owed.Event.OverdueAt = time.Time{}
	case missing > 0:
		owed.Event = WhileMissing(owed.Event, now)
	}
	return owed
}

// WasAlerted reports whether an alert of the event may have opened an incident at a pager.
func WasAlerted(e incident.Event) bool { return !e.ToldDeletion.IsZero() || e.StuckTold }
