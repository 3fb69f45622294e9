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
	old, known, err := tx.Event(tx.scope, f.Record.EventID)
	if known && old.Source == incident.ByDrift { // a record with an ID that is ours
		f.Record.EventID = alert.ForgedEvent.ID(f.Record.EventID)
		old, known, err = tx.Event(tx.scope, f.Record.EventID)
	}
	if err != nil {
		return false, err
	}
	c, named, err := applyRecord(tx, f)
	if err != nil {
		return false, err
	}
	if known && !slices.ContainsFunc(named, func(n incident.Named) bool { return n.News }) {
		return false, nil
	}
	e, a, err := deletionAlert(tx, f, old.CampaignID, c, named)
	if err != nil {
		return false, err
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
	incidents := incidentsOf(named)
	if known {
		e = e.MergeRecord(old, incidents)
	}
	e.Unknown = unknown && (!known || old.Unknown)
	if !alerted {
		e.ToldDeletion, e.ToldRestored, e.ToldClosed, e.DueAt = old.ToldDeletion, old.ToldRestored, old.ToldClosed, old.DueAt
		return true, tx.PutEvent(e)
	}
	e = notify.Alerted(e, incidents, tx.policy, tx.now)
	if err := tx.PutEvent(e); err != nil {
		return false, err
	}
	if err := tx.overdueEarlier(e.ID, incidents); err != nil {
		return false, err
	}
	return true, tx.notifyEvent(e.ID)
}

// deletionAlert is the event of a record, in a campaign that goes on or a new one, and its
// alert. If all of it was to be expected, the alert is informational.
func deletionAlert(tx scopeTx, f detection.Finding, campaign string, c *incident.Case, named []incident.Named) (incident.Event, alert.Alert, error) {
	e, incidents := notify.NewEvent(tx.scope, f, tx.now), incidentsOf(named)
	recent, err := repeat.RecordCall(tx, f, len(f.Deleted), tx.now)
	if err != nil {
		return e, alert.Alert{}, err
	}
	excused := !slices.ContainsFunc(named, func(n incident.Named) bool { return !n.Excused })
	var raisedBy []string
	if statesAll := len(named) > 0 && len(f.Failed) == 0; excused && statesAll {
		e.Level = alert.Informational
	} else {
		e.Level, raisedBy = notify.Raised(e.Level, notify.DeletionFacts(tx.policy, c, e.Actor, notify.FlowLogs(incidents)))
	}
	e.CampaignID = campaign
	if strike, ok := notify.StrikeOf(e, incidents, tx.now); ok {
		if e.CampaignID, err = tx.JoinCampaign(strike); err != nil {
			return e, alert.Alert{}, err
		}
	}
	a := notify.DeletionAlert(e, incidents, tx.now)
	a.RaisedBy, a.Recent = raisedBy, recent
	for n := range named {
		a.FlowLogs[n].Foreseen = named[n].Foreseen
	}
	return e, a, nil
}

func incidentsOf(named []incident.Named) []incident.Incident {
	incidents := make([]incident.Incident, 0, len(named))
	for _, n := range named {
		incidents = append(incidents, n.Incident)
	}
	return incidents
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
	rec.Applied, err = tx.Recorded(tx.scope, id, rec.EventID, incident.ClaimOf(&rec.Actor, rec.Time))
	if mayBeNamed := rec.Addendum && !rec.Applied; err != nil || !mayBeNamed {
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
	knowsNone := err == nil && len(rows) == 0
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
	if knowsNone && len(f.Deleted) > 0 {
		a.ID = repeat.BypassID(a, incident.PrincipalOrName(e.Actor), now)
	}
	in.bypassOutbox(ctx, notify.NotStored(a))
}
