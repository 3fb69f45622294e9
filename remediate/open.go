package remediate

import (
	"fmt"
	"slices"
	"time"

	"flowkeeper/alert"
	"flowkeeper/internal/detection"
	"flowkeeper/inventory"
)

// open opens or finds the incident of one flow log that a record names.
// fresh is false where this record was applied before, or is an addendum that
// says nothing new of it. excused tells that the
// deletion was allowed: released, or ignored by a rule.
func (r *Remediator) open(tx Tx, s inventory.Scope, id string, f detection.Finding, now time.Time) (i Incident, fresh, excused bool, err error) {
	row, known, err := tx.FlowLog(s, id)
	if err != nil {
		return i, false, false, err
	}
	known = known && !row.Imported // a file's word is none that AWS gave (I2)
	i, found, err := tx.Incident(s, id)
	if err != nil {
		return i, false, false, err
	}
	actor := f.Actor()
	rule := r.Policy.rule(s.Account, principal(&actor))
	fresh = true
	released := known && row.Released(f.Record.EventTime)
	excused = released || known && !row.Protected || rule.Action == Ignore
	if found {
		if done, err := tx.Recorded(s, id, f.Record.EventID, claimOf(&actor, f.Record.EventTime)); err != nil || done {
			return i, false, excused, err
		}
		before := i
		i = i.hear(rule, f, actor, known && !released && row.Released(i.lostAt()), now)
		if before.State == Closed && i.State == Open && known && row.State == inventory.Live {
			i = i.know(row) // what AWS has shown since is what is lost now
		}
		if fresh, err = saysMore(tx, f, before, i); err != nil {
			return i, false, excused, err
		}
	} else {
		i = newIncident(s, id, row, known, now)
		i.Action = rule.Action
		i = i.claim(f, actor, now).waitFor(rule, now)
	}
	if i.State == Blocked || i.State == Open && i.WaitUntil.IsZero() {
		i.NextAttemptAt = now
	}
	if err := r.wakePending(tx, s, row.ResourceID); err != nil { // it may have been in their way
		return i, false, excused, err
	}
	if err := tx.PutIncident(i); err != nil {
		return i, false, excused, err
	}
	return i, fresh, excused, tx.AddHistory(s, id, Entry{At: now, State: i.State, Reason: i.Reason,
		Text: "named by a record of DeleteFlowLogs", EventID: f.Record.EventID, Claim: claimOf(&actor, f.Record.EventTime), Actor: stored(actor)})
}

// saysMore reports whether a record says anything new of an incident: any
// record does, but for an addendum of an event that is known to have named it
// and by which nothing changes. A forged one so hides nothing: the event that it
// claims to repeat was heard already, or says more itself (I2).
func saysMore(tx Tx, f detection.Finding, before, after Incident) (bool, error) {
	if !f.Record.Repeats() || before.State != after.State || before.Action != after.Action || before.Source != after.Source {
		return true, nil
	}
	named, err := tx.EventsOf(before.Scope, before.FlowLogID)
	return !slices.Contains(named, f.Record.EventID), err
}

// foresee tells why an open incident will end without a restore, as far as
// that is known before AWS is asked; empty: it is not.
func (r *Remediator) foresee(tx Tx, i Incident, now time.Time) (reason string, err error) {
	if i.State != Open {
		return "", nil
	}
	s, _, err := r.sight(tx, i, look{}, false)
	if err != nil {
		return "", err
	}
	if v := decide(i, s, r.Policy, now.Add(r.Policy.Settle)); v.deed == closing {
		reason = v.reason
	}
	return reason, nil
}

// hear applies one more record to an incident. A record may only tighten the
// action (I2); the first record after a drift brings the actor and the action
// with it. unreleased: the flow log was released when it was lost, as far as
// was known, and is not at the time of this record.
func (i Incident) hear(rule Rule, f detection.Finding, actor alert.Actor, unreleased bool, now time.Time) Incident {
	stricter := rule.Action > i.Action
	drifted := i.Source == ByDrift && (i.State == Open || i.State == Blocked || i.State == Closed && !i.final())
	anew := stricter || drifted && i.State != Closed
	reopened := i.State == Closed && (!i.final() && (stricter || i.Reason == StillThere) || i.Reason == Released && unreleased && now.Sub(i.OpenedAt) < aboutOneLoss)
	if reopened {
		i = i.reopen(now)
	}
	back := i.Source == ByDrift && (i.State == Restored || i.State == Verified)
	if told := i.EventID; back {
		i = i.claim(f, actor, now)
		i.EventID = told // of what it came to, people have heard by that one
	} else if reopened || drifted || unreleased && (i.State == Open || i.State == Blocked) {
		i = i.claim(f, actor, now)
	}
	if anew {
		i.Action, i.WaitUntil, i.Waited = rule.Action, time.Time{}, 0
	}
	if anew || reopened {
		i = i.waitFor(rule, now)
	}
	return i
}

// aboutOneLoss is within what time records that name a flow log are about the
// same loss of it: what a person let go, no later record brings back.
const aboutOneLoss = 24 * time.Hour

func newIncident(s inventory.Scope, id string, row inventory.Row, known bool, now time.Time) Incident {
	i := Incident{Scope: s, FlowLogID: id, RootID: id, State: Open, DetectedAt: now, OpenedAt: now, NextAttemptAt: now}
	if known {
		i = i.know(row)
	}
	return i
}

// know freezes what the snapshot says of the lost flow log.
func (i Incident) know(row inventory.Row) Incident {
	i.Known = true
	i.RootID, i.ResourceID, i.Frozen = row.RootID, row.ResourceID, row.Settings
	i.FirstSeenAt, i.LastSeenAt = row.FirstSeenAt, row.LastSeenAt
	return i
}

// claim gives the incident the event and actor of a record.
func (i Incident) claim(f detection.Finding, actor alert.Actor, now time.Time) Incident {
	i.Source, i.EventID, i.Actor, i.DeletedAt = ByEvent, f.Record.EventID, stored(actor), f.Record.EventTime
	if i.DeletedAt.IsZero() || i.DeletedAt.After(now) {
		i.DeletedAt = now
	}
	return i
}

// waitFor starts a wait rule's time.
func (i Incident) waitFor(rule Rule, now time.Time) Incident {
	if i.Action == Wait && rule.Action == Wait {
		i.WaitUntil, i.Waited, i.NextAttemptAt = now.Add(rule.Wait), rule.Wait, now
	}
	return i
}

// final reports a closed incident that no record reopens.
func (i Incident) final() bool {
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
	return i.State == Open || i.State == Blocked || i.State == Closed && i.Reason == StillThere && !i.ModeOnly
}

// Listening is an incident that is over because AWS shows its flow log alive.
func (i Incident) Listening(now time.Time) Incident {
	i = i.reopen(now)
	i.State, i.Reason, i.NextAttemptAt = Closed, StillThere, time.Time{}
	i.Advice = "AWS shows it alive, whatever the copy of the state file said"
	return i
}

// reopen starts the incident anew, with what is frozen kept. What a person
// asked for, or the mode decided, was about the last time.
func (i Incident) reopen(now time.Time) Incident {
	i.State, i.Reason, i.Advice, i.LastError = Open, "", "", ""
	i.Requested, i.ModeOnly, i.Stuck, i.ToldStuckAt = false, false, nil, time.Time{}
	i.WaitUntil, i.Waited, i.MismatchAt = time.Time{}, 0, time.Time{}
	i.OpenedAt, i.NextAttemptAt = now, now
	i.AliveSince, i.AbsentAt, i.NotFoundAt, i.FailingSince = time.Time{}, time.Time{}, time.Time{}, time.Time{}
	i.NewID, i.Adopted, i.Confirmed, i.RestoredAt, i.VerifiedAt = "", false, false, time.Time{}, time.Time{}
	i.Attempts, i.Looks, i.Tried, i.MissingSince, i.StuckNews = 0, 0, 0, time.Time{}, false
	return i
}

// drifted opens incidents for rows that a refresh found gone, and makes the
// rows gone, in one transaction (I5).
func (r *Remediator) drifted(tx Tx, s inventory.Scope, rows []inventory.Row, started, now time.Time) error {
	e := Event{Scope: s, ID: driftID(s, started), Source: ByDrift, Level: alert.High, DetectedAt: now}
	stale, err := tx.Stale(s)
	if err != nil {
		return err
	}
	if old, ok, err := tx.Event(s, e.ID); err != nil {
		return err
	} else if ok && old.ToldDeletion.IsZero() && old.ToldRestored.IsZero() && old.ToldClosed.IsZero() {
		e = old
	} else if ok {
		e.ID += fmt.Sprintf("-%d", now.UnixMilli()) // people have heard of the first ones: these are told by themselves
	}
	action, opened := Restore, 0
	if r.Policy.DriftAlerts || stale {
		action = Alert
	}
	for _, row := range rows {
		n, err := r.drift(tx, s, row.ID, e.ID, action, now)
		if err != nil {
			return err
		}
		opened += n
	}
	if opened == 0 {
		return nil
	}
	e.DueAt = soonest(e.DueAt, now.Add(tellDriftAfter))
	e.OverdueAt = soonest(e.OverdueAt, now.Add(r.Policy.DriftWait+overdueAfter))
	r.Log.Warn("flow logs gone without an event: the way of events may be blind too", "account", s.Account, "region", s.Region, "flow_logs", opened)
	return tx.PutEvent(e)
}

func driftID(s inventory.Scope, started time.Time) string {
	return fmt.Sprintf("drift-%s-%s-%d", s.Account, s.Region, started.UnixMilli())
}

func (r *Remediator) drift(tx Tx, s inventory.Scope, id, eventID string, action Action, now time.Time) (int, error) {
	row, ok, err := tx.FlowLog(s, id)
	if err != nil || !ok || row.State == inventory.Gone {
		return 0, err
	}
	row.State, row.GoneAt = inventory.Gone, now
	if err := tx.PutFlowLog(row); err != nil {
		return 0, err
	}
	i, found, err := tx.Incident(s, id)
	switch {
	case err != nil:
		return 0, err
	case !row.Protected || row.Imported:
		return 0, r.wakePending(tx, s, row.ResourceID)
	case found && i.State != Closed:
		i.NextAttemptAt = now
		return 0, tx.PutIncident(i)
	case found && (i.Reason != StillThere):
		return 0, nil
	case found:
		i = i.reopen(now).know(row)
	default:
		i = newIncident(s, id, row, true, now)
	}
	i.Source, i.EventID, i.Actor, i.DeletedAt = ByDrift, eventID, nil, time.Time{}
	i.Action = max(i.Action, action) // the strictest of all that was said of it
	i.WaitUntil = now
	if !r.scope(s).wasTornDown(row.ResourceID, now) {
		i.WaitUntil = now.Add(r.Policy.DriftWait)
	}
	i.NextAttemptAt = now // what ends without a create is decided before people hear of it
	if err := tx.PutIncident(i); err != nil {
		return 0, err
	}
	return 1, tx.AddHistory(s, id, Entry{At: now, State: Open, Text: "a refresh no longer finds it", EventID: eventID})
}

// relearn makes incidents due whose flow log the snapshot has come to know,
// or will not any more: called after every refresh.
func (r *Remediator) relearn(tx Tx, s inventory.Scope, now time.Time) error {
	unknown, err := tx.UnknownOpen(s, 1000)
	if err != nil {
		return err
	}
	for _, i := range unknown {
		if err := r.relearnOne(tx, i, now); err != nil {
			return err
		}
	}
	return nil
}

func (r *Remediator) relearnOne(tx Tx, i Incident, now time.Time) error {
	row, ok, err := tx.FlowLog(i.Scope, i.FlowLogID)
	if err != nil {
		return err
	}
	if ok && !row.Imported {
		if i.State == Closed {
			i = i.reopen(now)
			if err := r.unsettle(tx, i.Scope, i.EventID, now); err != nil {
				return err
			}
		}
		i = i.know(row)
		if err := tx.PutIncident(i); err != nil {
			return err
		}
		if err := r.alertOfKnown(tx, i, now); err != nil {
			return err
		}
	} else if i.State == Closed {
		return nil
	}
	i.NextAttemptAt = now
	return tx.PutIncident(i)
}
