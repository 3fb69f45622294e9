package remediate

import (
	"context"
	"slices"
	"time"

	"flowkeeper/alert"
	"flowkeeper/internal/detection"
	"flowkeeper/inventory"
	"flowkeeper/remediate/incident"
	"flowkeeper/remediate/notify"
	"flowkeeper/remediate/repeat"
)

// recordDeletion opens an incident for each flow log that a record says is gone, and
// alerts. The same record again changes nothing. Another record with the same event ID is
// applied like any other: a forged one must not hide the real one (I2).
func recordDeletion(tx scopeTx, f detection.Finding) (news bool, err error) {
	e, known, err := tx.Event(tx.scope, f.Record.EventID)
	if known && e.Source == incident.ByDrift { // a record with an ID that is ours
		f.Record.EventID = alert.ForgedEvent.ID(f.Record.EventID)
		e, known, err = tx.Event(tx.scope, f.Record.EventID)
	}
	if err != nil {
		return false, err
	}
	next := notify.NewEvent(tx.scope, f, tx.now)
	incidents, foreseen := make([]incident.Incident, 0, len(f.Deleted)), make([]string, 0, len(f.Deleted))
	quiet := len(f.Deleted) > 0 && len(f.Failed) == 0
	news = !known
	c, named, err := applyRecord(tx, f)
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
	recent, err := repeat.RecordCall(tx, f, len(f.Deleted), tx.now)
	if err != nil {
		return false, err
	}
	var raisedBy []string
	if quiet {
		next.Level = alert.Informational
	} else {
		facts := notify.DeletionFacts(tx.policy, c, next.Actor, notify.FlowLogs(incidents))
		next.Level, raisedBy = notify.Raised(next.Level, facts)
	}
	next.CampaignID = e.CampaignID
	if next, err = joinCampaign(tx, next, incidents); err != nil {
		return false, err
	}
	a := notify.DeletionAlert(next, incidents, tx.now)
	a.RaisedBy, a.Recent = raisedBy, recent
	for n, why := range foreseen {
		a.FlowLogs[n].Foreseen = why
	}
	unknown, alerted := c.NeverSaw(f.Deleted), true
	if unknown {
		alerted, err = repeat.AlertOrHold(tx, a, deletionOfUnknown(f, a), tx.now)
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
	next = notify.Alerted(next, incidents, tx.policy, tx.now)
	if err := tx.PutEvent(next); err != nil {
		return false, err
	}
	if err := tx.overdueEarlier(next.ID, incidents); err != nil {
		return false, err
	}
	return true, tx.notifyEvent(next.ID)
}

// deletionOfUnknown is such a deletion as a call that can be repeated. A record that does not
// say which flow logs it deleted is no repetition of one that names unknown ones.
func deletionOfUnknown(f detection.Finding, a alert.Alert) repeat.Call {
	c := repeat.CallOf(repeat.UnknownDeletion, f, a, len(f.Deleted), false)
	if len(f.Deleted) == 0 {
		c.What = "not stated"
	} else {
		c.Example.FlowLogID = f.Deleted[0]
	}
	return c
}

// joinCampaign is the event with the campaign that it belongs to, if there is one.
func joinCampaign(tx scopeTx, e incident.Event, incidents []incident.Incident) (incident.Event, error) {
	strike, ok := notify.StrikeOf(e, incidents, tx.now)
	if !ok {
		return e, nil
	}
	var err error
	e.CampaignID, err = tx.JoinCampaign(strike)
	return e, err
}

// applyRecord opens or finds the incident of each flow log that a record names, in the
// order of the record. It returns the case as it is then.
func applyRecord(tx scopeTx, f detection.Finding) (*incident.Case, []incident.Named, error) {
	c, err := tx.load(incident.Selection{IDs: f.Deleted})
	if err != nil {
		return nil, nil, err
	}
	rec := RecordOf(f, tx.policy)
	named := make([]incident.Named, 0, len(f.Deleted))
	for _, id := range f.Deleted {
		if rec, err = withHistory(tx, c, id, rec); err != nil {
			return nil, nil, err
		}
		named = append(named, c.ApplyRecord(id, rec))
	}
	return c, named, tx.save(c)
}

// RecordOf is what a finding of a deletion says to the incidents of the flow logs that it names.
func RecordOf(f detection.Finding, p incident.Policy) incident.Record {
	actor := f.Actor()
	return incident.Record{EventID: f.Record.EventID, Time: f.Record.EventTime, Actor: actor, Rule: p.RuleFor(f.Record.Account, actor.Principal()), Addendum: f.Record.Repeats()}
}

// withHistory is a record with what the history of one flow log's incident says of it.
func withHistory(tx scopeTx, c *incident.Case, id string, rec incident.Record) (incident.Record, error) {
	rec.Applied, rec.Named = false, false
	if _, found := c.Incident(id); !found {
		return rec, nil
	}
	var err error
	if rec.Applied, err = tx.Recorded(tx.scope, id, rec.EventID, incident.ClaimOf(&rec.Actor, rec.Time)); err != nil || rec.Applied || !rec.Addendum {
		return rec, err
	}
	events, err := tx.EventsOf(tx.scope, id)
	rec.Named = slices.Contains(events, rec.EventID)
	return rec, err
}

// alertDirectly alerts, past the outbox, of a deletion that the store could not take (I1): what
// can be read of it still says what went dark. Whether it was allowed is not asked
// for. The alert has an ID of its own: the one that is stored later says that the
// restore goes on, and a receiver that drops repeats must take it.
func (in intake) alertDirectly(ctx context.Context, f detection.Finding, now time.Time) {
	s := in.store.scope
	var rows map[string]inventory.Row
	err := in.store.view(ctx, func(tx scopeTx) (err error) { rows, err = tx.Names(tx.scope, f.Deleted); return err })
	unknown := err == nil && len(rows) == 0 && len(f.Deleted) > 0 // of all of them
	incidents := make([]incident.Incident, len(f.Deleted))
	for n, id := range f.Deleted {
		row, known := rows[id]
		incidents[n] = incident.New(s, id, row, known, now)
	}
	e := notify.NewEvent(s, f, now)
	facts := notify.ActorFacts(in.store.policy, s.Account, e.Actor)
	_ = in.store.view(ctx, func(tx scopeTx) (err error) { facts, err = tx.facts(e.Actor, notify.FlowLogs(incidents)); return err }) // fewer, then
	e.Level, facts = notify.Raised(e.Level, facts)
	a := notify.DeletionAlert(e, incidents, now)
	a.RaisedBy = facts
	if unknown {
		a.ID = repeat.BypassID(a, incident.PrincipalOrName(e.Actor), now)
	}
	in.bypassOutbox(ctx, notify.NotStored(a))
}
