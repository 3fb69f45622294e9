package incident

import (
	"time"

	"flowkeeper/alert"
	"flowkeeper/inventory"
)

// Record is what a record of DeleteFlowLogs says that an incident depends on.
type Record struct {
	EventID string
	Time    time.Time // of the call; zero: the record does not say
	Actor   alert.Actor
	Rule    Rule // the policy's for the actor
	// Unreleased: the flow log was released when it was lost, as far as was known,
	// and was not at the time of this record.
	Unreleased bool
	// Applied: the incident's history has this record already.
	Applied bool
	// Addendum: the record repeats an earlier one with corrections. Named: that one is
	// known to have named the flow log.
	Addendum, Named bool
}

// ApplyRecord applies one more record to an incident. A record may only tighten the
// action (I2); the first record after a drift brings the actor and the action with it.
func (i Incident) ApplyRecord(rec Record, now time.Time) Incident {
	stricter := rec.Rule.Action > i.Action
	first := i.Source == ByDrift && !i.back() && !i.Final() // the record of a loss that a refresh found
	anew := stricter || first && i.State != Closed
	reopened := i.reopenedBy(rec, now)
	if reopened {
		i = i.Reopen(now)
	}
	switch alerted := i.EventID; {
	case i.Source == ByDrift && i.back():
		i = i.Attribute(rec, now)
		i.EventID = alerted // the alerts say what it came to by that one
	case reopened, first, rec.Unreleased && i.Pending():
		i = i.Attribute(rec, now)
	}
	if anew {
		i.Action, i.WaitUntil, i.Waited = rec.Rule.Action, time.Time{}, 0
	}
	if anew || reopened {
		i = i.startWait(rec.Rule, now)
	}
	return i
}

// back reports whether the flow log has a replacement.
func (i Incident) back() bool { return i.State == Restored || i.State == Verified }

// reopenedBy reports whether a record opens a closed incident again.
func (i Incident) reopenedBy(rec Record, now time.Time) bool {
	switch {
	case i.State != Closed:
		return false
	case i.Reason == Released:
		return rec.Unreleased && now.Sub(i.OpenedAt) < aboutOneLoss
	}
	return !i.Final() && (i.Reason == StillThere || rec.Rule.Action > i.Action)
}

// aboutOneLoss is within what time records that name a flow log are about the
// same loss of it: what a person let go, no later record brings back.
const aboutOneLoss = 24 * time.Hour

// New is the incident of a flow log that was lost just now; known: row is what the
// snapshot has of it.
func New(s inventory.Scope, id string, row inventory.Row, known bool, now time.Time) Incident {
	i := Incident{Scope: s, FlowLogID: id, RootID: id, State: Open, DetectedAt: now, OpenedAt: now, NextAttemptAt: now}
	if known {
		i = i.FreezeSettings(row)
	}
	return i
}

// FreezeSettings freezes what the snapshot says of the lost flow log.
func (i Incident) FreezeSettings(row inventory.Row) Incident {
	i.Known = true
	i.RootID, i.ResourceID, i.Frozen = row.RootID, row.ResourceID, row.Settings
	i.FirstSeenAt, i.LastSeenAt = row.FirstSeenAt, row.LastSeenAt
	return i
}

// Attribute gives the incident the event and actor of a record.
func (i Incident) Attribute(rec Record, now time.Time) Incident {
	i.Source, i.EventID, i.Actor, i.DeletedAt = ByEvent, rec.EventID, BoundActor(rec.Actor), rec.Time
	if i.DeletedAt.IsZero() || i.DeletedAt.After(now) {
		i.DeletedAt = now
	}
	return i
}

// Opened is a new incident as its first record opens it.
func (i Incident) Opened(rec Record, now time.Time) Incident {
	i.Action = rec.Rule.Action
	return i.Attribute(rec, now).startWait(rec.Rule, now)
}

// startWait starts a wait rule's time.
func (i Incident) startWait(rule Rule, now time.Time) Incident {
	if i.Action == Wait && rule.Action == Wait {
		i.WaitUntil, i.Waited, i.NextAttemptAt = now.Add(rule.Wait), rule.Wait, now
	}
	return i
}

// Final reports whether the incident is closed and no record reopens it, but one that says
// that a released flow log was deleted after its release.
func (i Incident) Final() bool {
	if i.State != Closed {
		return false
	}
	switch i.Reason {
	case StillThere, Exempt, AlertOnly:
		return i.ModeOnly
	}
	return true
}

// Listens reports whether a record of one more deletion would count: not where
// the incident says that the flow log is gone, restored, or let go of.
func (i Incident) Listens() bool {
	return i.Pending() || i.closedAs(StillThere) && !i.ModeOnly
}

// Listening is an incident that is over because AWS shows its flow log alive.
func (i Incident) Listening(now time.Time) Incident {
	i = i.Reopen(now)
	i.State, i.Reason, i.NextAttemptAt = Closed, StillThere, time.Time{}
	i.Advice = "AWS shows it alive, whatever the copy of the state file said"
	return i
}

// Reopen starts the incident anew, with what is frozen kept. What a person
// asked for, or the mode decided, was about the last time.
func (i Incident) Reopen(now time.Time) Incident {
	i.State, i.Reason, i.Advice, i.LastError = Open, "", "", ""
	i.Requested, i.ModeOnly, i.Stuck, i.ToldStuckAt = false, false, nil, time.Time{}
	i.WaitUntil, i.Waited, i.MismatchAt = time.Time{}, 0, time.Time{}
	i.OpenedAt, i.NextAttemptAt = now, now
	i.AliveSince, i.AbsentAt, i.NotFoundAt, i.FailingSince = time.Time{}, time.Time{}, time.Time{}, time.Time{}
	i.NewID, i.Adopted, i.Confirmed, i.RestoredAt, i.VerifiedAt = "", false, false, time.Time{}, time.Time{}
	i.Attempts, i.Looks, i.Tried, i.MissingSince, i.StuckNews = 0, 0, 0, time.Time{}, false
	return i
}

// AwaitsRecord reports whether a record may still open a closed incident again: its
// flow log was released when it was last seen, and only the record says when it was
// deleted. Until then, what stands in its place may be a decoy.
func (i Incident) AwaitsRecord(now time.Time) bool {
	return i.closedAs(Released) && i.Source == ByDrift && now.Before(i.WaitUntil)
}
