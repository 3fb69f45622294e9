package incident

import (
	"time"

	"flowkeeper/alert"
)

const (
	// RemindAfter is how often an alert says again that a flow log is not back.
	RemindAfter = 24 * time.Hour
	// OverdueAfter is how long after a loss was detected an alert says that the flow log is
	// not back, for any reason. The time of a rule's wait does not count.
	OverdueAfter = 5 * time.Minute
	// shownWithin is how long after Policy.ConsistencyWindow an observation may come that shows
	// the replacement.
	shownWithin = time.Minute
)

// Missing reports whether the flow log is to come back and is not known to be there: a
// replacement counts once an observation after Policy.ConsistencyWindow has shown it.
func (i Incident) Missing() bool {
	return i.Pending() || i.State == Restored && !i.Confirmed
}

// darkSince is the time from which on the flow log counts as missing: OverdueAfter counts from then.
func (i Incident) darkSince() time.Time {
	since := i.OpenedAt
	if !i.MissingSince.IsZero() {
		since = i.MissingSince
	}
	return Later(since, i.WaitUntil)
}

// OverdueAt is when an alert is to say that the flow log is not back, for the first time
// or again; zero: none is due.
func (i Incident) OverdueAt(p Policy) time.Time {
	switch {
	case !i.Missing():
		return time.Time{}
	case !i.StuckAlertedAt.IsZero():
		return i.StuckAlertedAt.Add(RemindAfter)
	case i.State == Restored && i.MissingSince.IsZero():
		return Later(i.darkSince().Add(OverdueAfter), i.RestoredAt.Add(p.ConsistencyWindow+shownWithin))
	}
	return i.darkSince().Add(OverdueAfter)
}

// FirstOverdue is the soonest OverdueAt of incidents, as they count now; zero: none is due.
func FirstOverdue(incidents []Incident, p Policy, now time.Time) (at time.Time) {
	for _, i := range incidents {
		at = Soonest(at, i.ClampTimes(now, p).OverdueAt(p))
	}
	return at
}

// Why is what keeps the flow log from coming back, in the words of its alert.
func (i Incident) Why() Stuck {
	if i.State == Blocked && i.Stuck != nil {
		w := *i.Stuck
		if i.LastError != "" {
			w.Message, w.Advice = i.LastError, i.Advice
		}
		return w
	}
	w := Stuck{Kind: alert.Blocked, Message: i.LastError, Advice: i.Advice}
	causes := Causes(i, i.WaitUntil) // the time of a wait does not count
	switch {
	case w.Message != "":
	case i.State == Restored && i.MissingSince.IsZero():
		w.Message = "DescribeFlowLogs has not answered since"
	case len(causes) > 0:
		w.Message = causeWords[causes[0]]
	case i.Tried == 0:
		w.Message = "nothing was tried yet"
	}
	return w
}

var causeWords = map[Cause]string{
	NeverShown: "AWS answered each create, and never showed what it made",
	HeldBack:   "held back: it was restored too often within the hour",
	NotSeen:    "Flowkeeper has not seen it yet: the first refresh of this account and Region is not complete",
	StillShown: "AWS still shows it, now and then",
}

// OwesStuckAlert reports whether the incident is stuck for a reason of which there was no alert yet, and that
// still holds. The reason that a lineage flaps holds even if the flow log is back by now.
func (i Incident) OwesStuckAlert() bool {
	if i.Stuck == nil {
		return false
	}
	notAlerted := i.StuckNews || i.StuckAlertedAt.IsZero()
	holds := i.State == Blocked || i.Stuck.Kind == alert.Flapping
	return notAlerted && holds
}
