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
	// Addendum: the record repeats an earlier one with corrections. NamedBefore: that one is
	// known to have named the flow log.
	Addendum, NamedBefore bool
}

// applyTo is an incident as one more record changes it. A record may only tighten the
// action (I2); the first record after a drift brings the actor and the action with it. If a
// person has asked for the restore, the record brings the actor alone: rules do not count then.
func (rec Record) applyTo(i Incident, now time.Time) Incident {
	unattributed := i.Source == ByDrift // this is the first record of the loss
	lostAgain := rec.Unreleased && i.Pending()
	bringsAction := unattributed && i.Pending() && !i.Requested
	bringsNewAction := bringsAction || rec.Rule.Action > i.Action
	reopened := rec.reopens(i, now)
	switch {
	case reopened:
		i = rec.attribute(i.reopen(now), now)
	case unattributed && i.HasReplacement():
		driftEventID := i.EventID // people were alerted of the restore under that one
		i = rec.attribute(i, now)
		i.EventID = driftEventID
	case unattributed && !i.final(), lostAgain:
		i = rec.attribute(i, now)
	}
	if bringsNewAction {
		i.Action, i.WaitUntil, i.Waited = rec.Rule.Action, time.Time{}, 0
	}
	if bringsNewAction || reopened {
		i = rec.Rule.startWait(i, now)
	}
	return i
}

// reopens reports whether a record opens a closed incident again.
func (rec Record) reopens(i Incident, now time.Time) bool {
	switch {
	case i.closedAs(Released):
		return rec.Unreleased && now.Sub(i.OpenedAt) < aboutOneLoss
	case i.State != Closed, i.final():
		return false
	}
	return i.Reason == StillThere || rec.Rule.Action > i.Action
}

// aboutOneLoss is the time within which records that name a flow log are about the same loss
// of it: if a person has closed its incident, such a record does not open that again.
const aboutOneLoss = 24 * time.Hour

// New is the incident of a flow log that was lost just now; known: row is what the
// snapshot has of it.
func New(s inventory.Scope, id string, row inventory.Row, known bool, now time.Time) Incident {
	i := Incident{Scope: s, FlowLogID: id, RootID: id, State: Open, Keyed: true, Untried: true, DetectedAt: now, OpenedAt: now, NextAttemptAt: now}
	if known {
		i = i.freezeSettings(row)
	}
	return i
}

// freezeSettings freezes what the snapshot says of the lost flow log.
func (i Incident) freezeSettings(row inventory.Row) Incident {
	i.Known = true
	i.RootID, i.ResourceID, i.Frozen = row.RootID, row.ResourceID, row.Whole()
	i.FirstSeenAt, i.LastSeenAt = row.FirstSeenAt, row.LastSeenAt
	if !row.LineageSince.IsZero() {
		i.FirstSeenAt = row.LineageSince
	}
	return i
}

// attribute gives the incident the event, actor and time of a record. A record that states
// no time, or one ahead of now, is of now.
func (rec Record) attribute(i Incident, now time.Time) Incident {
	i.Source, i.EventID, i.Actor, i.DeletedAt = ByEvent, rec.EventID, BoundActor(rec.Actor), rec.Time
	if i.DeletedAt.IsZero() || i.DeletedAt.After(now) {
		i.DeletedAt = now
	}
	return i
}

// open is an incident made by [New] as its first record opens it.
func (rec Record) open(i Incident, now time.Time) Incident {
	i.Action = rec.Rule.Action
	return rec.Rule.startWait(rec.attribute(i, now), now)
}

// startWait starts a wait rule's time.
func (rule Rule) startWait(i Incident, now time.Time) Incident {
	if i.Action == Wait && rule.Action == Wait {
		i.WaitUntil, i.Waited, i.NextAttemptAt = now.Add(rule.Wait), rule.Wait, now
	}
	return i
}

// final reports whether the incident is closed and no record reopens it. A record may reopen one
// that is closed because AWS showed the flow log alive, or as alert only, exempt or held,
// unless the mode decided that. Of a released one, see Record.reopens.
func (i Incident) final() bool {
	if i.State != Closed {
		return false
	}
	switch i.Reason {
	case StillThere, Exempt, Held, AlertOnly:
		return i.ModeOnly
	}
	return true
}

// countsRecord reports whether a record of one more deletion would count if the flow log were
// alive now. It would not if the incident says that the flow log is gone for good or restored,
// or that a person does not want it back.
func (i Incident) countsRecord() bool {
	return i.Pending() || i.closedAs(StillThere) && !i.ModeOnly
}

// closedAlive returns the incident closed because AWS shows its flow log alive, whatever a
// copy of the state file, or an imported file, says of it. The next record of a deletion opens
// it again.
func (i Incident) closedAlive(now time.Time) Incident {
	i = i.reopen(now)
	i.State, i.Reason, i.NextAttemptAt = Closed, StillThere, time.Time{}
	i.Advice = "AWS shows it alive, whatever the copy of the state file said"
	return i
}

// reopen starts the incident anew, and keeps the frozen settings. What a person asked for,
// or the mode decided, was about the loss before. A ClientToken that AWS has answered with a
// flow log is spent: AWS would answer a repeat with the same one.
func (i Incident) reopen(now time.Time) Incident {
	if i.NewID != "" && !i.Adopted {
		i.Generation++
		i.RandomToken = ""
	}
	never := time.Time{} // in the order of the fields
	i.OpenedAt, i.State, i.Reason, i.Advice = now, Open, "", ""
	i.ModeOnly, i.WaitUntil, i.Waited, i.Requested = false, never, 0, false
	i.AliveSince, i.TimesAlive, i.AbsentAt = never, 0, never
	i.MismatchAt, i.Group, i.AtMost = never, "", 0 // a call in doubt stays so
	i.NextAttemptAt, i.Tried, i.Attempts, i.LastError = now, 0, 0, ""
	i.FailingSince, i.NotFoundAt, i.ExistsAt = never, never, never
	i.NewID, i.Adopted, i.Confirmed, i.RestoredAt, i.VerifiedAt, i.MissingSince = "", false, false, never, never, never
	i.MissingTags, i.TaggedAt, i.TagRounds = nil, never, 0
	i.Stuck, i.StuckNews, i.StuckAlertedAt = nil, false, never
	return i
}

// awaitsRecord reports whether a record may still open a closed incident again: its
// flow log was released when it was last seen, and only the record says when it was
// deleted. Until then, a flow log in its place may be a decoy.
func awaitsRecord(i Incident, now time.Time) bool {
	return i.closedAs(Released) && i.Source == ByDrift && now.Before(i.WaitUntil)
}
