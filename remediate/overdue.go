package remediate

import (
	"time"

	"flowkeeper/alert"
)

const (
	// overdueAfter is when people hear at the latest that a flow log is not back,
	// whatever keeps it. The time that it waits by a rule does not count.
	overdueAfter = 5 * time.Minute
	// shownWithin is how long after settle a look may be late with a replacement
	// that AWS answered.
	shownWithin = time.Minute
)

// missing reports whether the flow log is to come back, and is not known to have:
// a replacement counts when a look after settle has shown it.
func (i Incident) missing() bool {
	return i.State == Open || i.State == Blocked || i.State == Restored && !i.Confirmed
}

// missingSince is from when on it counts as gone.
func (i Incident) missingSince() time.Time {
	since := i.OpenedAt
	if !i.MissingSince.IsZero() {
		since = i.MissingSince
	}
	return later(since, i.WaitUntil)
}

// overdueAt is when people are to hear that the flow log is not back, for the first
// time or again; zero: there is nothing to tell.
func (i Incident) overdueAt(p Policy) time.Time {
	switch {
	case !i.missing():
		return time.Time{}
	case !i.ToldStuckAt.IsZero():
		return i.ToldStuckAt.Add(remindAfter)
	case i.State == Restored && i.MissingSince.IsZero():
		return later(i.missingSince().Add(overdueAfter), i.RestoredAt.Add(p.Settle+shownWithin))
	}
	return i.missingSince().Add(overdueAfter)
}

// firstOverdue is the soonest overdueAt of incidents; zero: of none.
func firstOverdue(incidents []Incident, p Policy) (at time.Time) {
	for _, i := range incidents {
		at = soonest(at, i.overdueAt(p))
	}
	return at
}

// overdueEarlier brings forward when other events than one are to alert of incidents
// that are not back: a record may have ended a wait that another event began.
func (r *Remediator) overdueEarlier(tx Tx, but string, incidents []Incident) error {
	due := map[string]time.Time{} // by event
	for _, i := range incidents {
		if at := i.overdueAt(r.Policy); i.EventID != but && !at.IsZero() {
			due[i.EventID] = soonest(due[i.EventID], at)
		}
	}
	for id, at := range due {
		e, ok, err := tx.Event(incidents[0].Scope, id)
		if err != nil {
			return err
		}
		if !ok || !e.OverdueAt.IsZero() && !at.Before(e.OverdueAt) {
			continue
		}
		e.OverdueAt = at
		if err := tx.PutEvent(e); err != nil {
			return err
		}
	}
	return nil
}

// why is what keeps the flow log from coming back, for the alert that tells of it.
func (i Incident) why() Stuck {
	if i.State == Blocked && i.Stuck != nil {
		w := *i.Stuck
		if i.LastError != "" {
			w.Message, w.Advice = i.LastError, i.Advice
		}
		return w
	}
	w := Stuck{Kind: alert.Blocked, Message: i.LastError, Advice: i.Advice}
	switch {
	case w.Message != "":
	case !i.MissingSince.IsZero():
		w.Message = "AWS answered each create, and never showed what it made"
	case i.State == Restored:
		w.Message = "DescribeFlowLogs has not answered since"
	case i.Flapping:
		w.Message = "held back: it was restored too often within the hour"
	case !i.Known:
		w.Message = "Flowkeeper has not seen it yet: the first refresh of this account and Region is not complete"
	case !i.AliveSince.IsZero():
		w.Message = "AWS still shows it, now and then"
	case i.Tried == 0:
		w.Message = "nothing was tried yet"
	}
	return w
}

// notTried and notTriedAdvice are for flow logs of a scope that has no client.
const (
	notTried       = "nothing is tried: this account and Region is not configured any more, or AWS can't be reached"
	notTriedAdvice = "put it back under accounts or inventory.regions, or let the flow log go: `flowkeeper inventory release ID`"
)

func later(a, b time.Time) time.Time {
	if b.After(a) {
		return b
	}
	return a
}
