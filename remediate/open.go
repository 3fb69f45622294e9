package remediate

import (
	"fmt"
	"slices"
	"time"

	"flowkeeper/alert"
	"flowkeeper/internal/detection"
	"flowkeeper/inventory"
	"flowkeeper/remediate/incident"
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
	rec := incident.Record{EventID: f.Record.EventID, Time: f.Record.EventTime, Actor: actor, Rule: r.Policy.RuleFor(s.Account, actor.Principal())}
	fresh = true
	released := known && row.Released(f.Record.EventTime)
	excused = released || known && !row.Protected || rec.Rule.Action == Ignore
	if found {
		if done, err := tx.Recorded(s, id, f.Record.EventID, incident.ClaimOf(&actor, f.Record.EventTime)); err != nil || done {
			return i, false, excused, err
		}
		before := i
		rec.Unreleased = known && !released && row.Released(i.LostAt())
		i = i.ApplyRecord(rec, now)
		if before.State == Closed && i.State == Open && known && row.State == inventory.Live {
			i = i.FreezeSettings(row) // what AWS has shown since is what is lost now
		}
		if fresh, err = saysMore(tx, f, before, i); err != nil {
			return i, false, excused, err
		}
	} else {
		i = incident.New(s, id, row, known, now).Opened(rec, now)
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
		Text: "named by a record of DeleteFlowLogs", EventID: f.Record.EventID, Claim: incident.ClaimOf(&actor, f.Record.EventTime), Actor: incident.BoundActor(actor)})
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
	o, _, err := r.observed(tx, i, absent(i, now), false)
	if err != nil {
		return "", err
	}
	if d := incident.Decide(i, o, r.Policy, now.Add(r.Policy.Settle)); d.Next == incident.Close {
		reason = d.Reason
	}
	return reason, nil
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
	action, opened, wait := Restore, 0, r.Policy.DriftWait
	if r.Policy.DriftAlerts || stale {
		action = Alert
	}
	for _, row := range rows {
		n, err := r.drift(tx, s, row.ID, e.ID, action, now)
		if err != nil {
			return err
		}
		opened += n
		if r.scope(s).wasTornDown(row.ResourceID, now) {
			wait = 0 // that one waits for no record
		}
	}
	if opened == 0 {
		return nil
	}
	e.DueAt = incident.Soonest(e.DueAt, now.Add(tellDriftAfter))
	e.OverdueAt = incident.Soonest(e.OverdueAt, now.Add(wait+incident.OverdueAfter))
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
		i = i.Reopen(now).FreezeSettings(row)
	default:
		i = incident.New(s, id, row, true, now)
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
			i = i.Reopen(now)
			if err := r.unsettle(tx, i.Scope, i.EventID, now); err != nil {
				return err
			}
		}
		i = i.FreezeSettings(row)
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
