package remediate

import (
	"context"
	"time"

	"flowkeeper/alert"
	"flowkeeper/internal/detection"
	"flowkeeper/inventory"
	"flowkeeper/remediate/incident"
	"flowkeeper/remediate/notify"
	"flowkeeper/remediate/repeat"
)

// countDeletions tells the meter of deletions at these times.
func (r *Remediator) countDeletions(deletions []time.Time) {
	for _, at := range deletions {
		if r.Meter != nil && !at.IsZero() {
			r.Meter.DeletionRecorded(r.Now().Sub(at))
		}
	}
}

// bypassOutbox alerts of a deletion that the store could not take (I1): what
// can be read of it still says what went dark. Whether it was allowed is not asked
// for. The alert has an ID of its own: the one that is stored later says that the
// restore goes on, and a receiver that drops repeats must take it.
func (r *Remediator) bypassOutbox(ctx context.Context, s inventory.Scope, f detection.Finding, now time.Time) {
	var rows map[string]inventory.Row
	err := r.Store.View(ctx, func(tx Tx) (err error) { rows, err = tx.Names(s, f.Deleted); return err })
	unknown := err == nil && len(rows) == 0 && len(f.Deleted) > 0 // of all of them
	incidents := make([]incident.Incident, len(f.Deleted))
	for n, id := range f.Deleted {
		row, known := rows[id]
		incidents[n] = incident.New(s, id, row, known, now)
	}
	e := notify.NewEvent(s, f, now)
	facts := notify.ActorFacts(r.Policy, s.Account, e.Actor)
	_ = r.Store.View(ctx, func(tx Tx) (err error) { facts, err = r.facts(tx, s, e.Actor, notify.FlowLogs(incidents)); return err }) // fewer, then
	e.Level, facts = notify.Raised(e.Level, facts)
	a := notify.DeletionAlert(e, incidents, now)
	a.RaisedBy = facts
	if unknown {
		a.ID = repeat.BypassID(a, incident.PrincipalOrName(e.Actor), now)
	}
	r.BypassOutbox(ctx, notify.NotStored(a))
}

// recordDeletion opens an incident for each flow log that a record says is gone, and
// alerts. The same record again changes nothing. Another record with the same event ID is
// applied like any other: a forged one must not hide the real one (I2).
func (r *Remediator) recordDeletion(tx Tx, s inventory.Scope, f detection.Finding, now time.Time) (news bool, err error) {
	e, known, err := tx.Event(s, f.Record.EventID)
	if known && e.Source == incident.ByDrift { // a record with an ID that is ours
		f.Record.EventID = alert.ForgedEvent.ID(f.Record.EventID)
		e, known, err = tx.Event(s, f.Record.EventID)
	}
	if err != nil {
		return false, err
	}
	next := notify.NewEvent(s, f, now)
	incidents, foreseen := make([]incident.Incident, 0, len(f.Deleted)), make([]string, 0, len(f.Deleted))
	quiet := len(f.Deleted) > 0 && len(f.Failed) == 0
	news = !known
	c, named, err := r.applyRecord(tx, s, f, now)
	if err != nil {
		return false, err
	}
	for _, n := range named {
		incidents, foreseen = append(incidents, n.Incident), append(foreseen, n.Foreseen)
		quiet, news = quiet && n.Excused, news || n.News
	}
	if !news {
		return false, nil
	}
	recent, err := repeat.RecordCall(tx, f, len(f.Deleted), now)
	if err != nil {
		return false, err
	}
	var raisedBy []string
	if quiet {
		next.Level = alert.Informational
	} else {
		facts := notify.DeletionFacts(r.Policy, c, next.Actor, notify.FlowLogs(incidents))
		next.Level, raisedBy = notify.Raised(next.Level, facts)
	}
	next.CampaignID = e.CampaignID
	if next, err = joinCampaign(tx, next, incidents, now); err != nil {
		return false, err
	}
	a := notify.DeletionAlert(next, incidents, now)
	a.RaisedBy, a.Recent = raisedBy, recent
	for n, why := range foreseen {
		a.FlowLogs[n].Foreseen = why
	}
	unknown, alerted := c.NeverSaw(f.Deleted), true
	if unknown {
		alerted, err = repeat.AlertOrHold(tx, a, deletionOfUnknown(f, a), now)
	} else {
		err = add(tx, a)
	}
	if err != nil {
		return false, err
	}
	if known {
		next = next.MergeRecord(e, incidents)
	}
	next.Unknown = unknown && (!known || e.Unknown)
	if !alerted {
		next.ToldDeletion, next.ToldRestored, next.ToldClosed, next.DueAt = e.ToldDeletion, e.ToldRestored, e.ToldClosed, e.DueAt
		return true, tx.PutEvent(next)
	}
	next = notify.Alerted(next, incidents, r.Policy, now)
	if err := tx.PutEvent(next); err != nil {
		return false, err
	}
	if err := r.overdueEarlier(tx, next.ID, incidents); err != nil {
		return false, err
	}
	return true, r.notifyEvent(tx, s, next.ID, now)
}
