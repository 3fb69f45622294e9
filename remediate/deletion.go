package remediate

import (
	"context"
	"slices"
	"time"

	"flowkeeper/alert"
	"flowkeeper/internal/detection"
	"flowkeeper/remediate/campaign"
	"flowkeeper/remediate/incident"
	"flowkeeper/remediate/notify"
	"flowkeeper/remediate/repeat"
)

// recordDeletion opens an incident for each flow log that a record says is gone, and
// alerts. The same record again changes nothing. Another record with the same event ID is
// applied like any other: a forged one must not hide the real one (I2).
func recordDeletion(tx scopeTx, f detection.Finding) (isNew bool, err error) {
	before, seenBefore, err := eventOfRecord(tx, f.Record.EventID)
	if err != nil {
		return false, err
	}
	f.Record.EventID = before.ID
	c, named, err := openIncidents(tx, f)
	isNews := func(n incident.Named) bool { return n.News }
	if err != nil || seenBefore && !slices.ContainsFunc(named, isNews) {
		return false, err
	}
	d, a, err := recordCallAndCampaign(tx, f, c, named, before.CampaignID)
	if err != nil {
		return false, err
	}
	alerted, err := alertOrHold(tx, d, f, a)
	if err != nil {
		return false, err
	}
	return true, putDeletion(tx, d, d.AfterRecord(before, seenBefore, alerted, tx.policy, tx.now), alerted)
}

// eventOfRecord finds the event to which earlier records with an event ID belong. If there is none, the event has only
// its ID. The ID differs from the record's if that is of an event which Flowkeeper made, for a refresh: then the record
// is forged.
func eventOfRecord(tx scopeTx, id string) (e incident.Event, seenBefore bool, err error) {
	e, seenBefore, err = tx.event(id)
	if err != nil {
		return e, false, err
	}
	if seenBefore && e.Source == incident.ByDrift {
		id = alert.ForgedEvent.ID(id)
		e, seenBefore, err = tx.event(id)
	}
	e.ID = id
	return e, seenBefore, err
}

// recordCallAndCampaign writes the call of a deletion, and the campaign that it belongs to. It returns the deletion and
// its alert. campaignID is that of an earlier record of the event; empty: none.
func recordCallAndCampaign(tx scopeTx, f detection.Finding, c *incident.Case, named []incident.Named, campaignID string) (d notify.Deletion, a alert.Alert, err error) {
	recent, err := repeat.RecordCall(tx, f, len(f.Deleted), tx.now)
	if err != nil {
		return d, a, err
	}
	d = notify.NewDeletion(c, f, named, tx.now)
	d.Event.CampaignID = campaignID
	if d.Event, err = campaign.Join(tx, d.Event, d.Incidents, tx.now); err != nil {
		return d, a, err
	}
	return d, d.Alert(recent, tx.now), nil
}

// alertOrHold alerts of a deletion, or holds the alert back if a principal deletes unknown
// flow logs again and again.
func alertOrHold(tx scopeTx, d notify.Deletion, f detection.Finding, a alert.Alert) (alerted bool, err error) {
	if d.NeverSaw {
		return repeat.AlertOrHold(tx, a, deletionOfUnknown(f, a), tx.now)
	}
	return true, a.AddTo(tx)
}

// putDeletion writes the event of a deletion, and alerts of what follows from it.
func putDeletion(tx scopeTx, d notify.Deletion, e incident.Event, alerted bool) error {
	if err := tx.PutEvent(e); err != nil || !alerted {
		return err
	}
	if err := tx.overdueEarlier(e.ID, d.Incidents); err != nil {
		return err
	}
	return tx.notifyEvent(e.ID)
}

// deletionOfUnknown is the call that deleted unknown flow logs, for alertOrHold. A record that does
// not say which flow logs it deleted is no repetition of one that names unknown ones.
func deletionOfUnknown(f detection.Finding, a alert.Alert) repeat.Call {
	c := repeat.CallOf(repeat.UnknownDeletion, f, a, len(f.Deleted), false)
	if len(f.Deleted) == 0 {
		c.What = "not stated"
	} else {
		c.Example.FlowLogID = f.Deleted[0]
	}
	return c
}

// openIncidents opens or finds the incident of each flow log that a record names, in the
// order of the record, and returns the case after that.
func openIncidents(tx scopeTx, f detection.Finding) (*incident.Case, []incident.Named, error) {
	c, err := tx.load(incident.Selection{IDs: f.Deleted})
	if err != nil {
		return nil, nil, err
	}
	rec := RecordOf(f, tx.policy)
	applied, err := appliedTo(tx, c, f.Deleted, rec)
	if err != nil {
		return nil, nil, err
	}
	named := make([]incident.Named, 0, len(f.Deleted))
	for _, id := range f.Deleted {
		rec.Applied = applied[id]
		if rec.NamedBefore, err = namedBefore(tx, c, id, rec); err != nil {
			return nil, nil, err
		}
		named = append(named, c.ApplyRecord(id, rec))
	}
	c.Sharing().Gather(rec.EventID, f.Deleted)
	return c, named, tx.save(c)
}

// RecordOf is the record of a deletion, as it is applied to the incidents of the flow logs that it names.
func RecordOf(f detection.Finding, p incident.Policy) incident.Record {
	actor := f.Actor()
	return incident.Record{EventID: f.Record.EventID, Time: f.Record.EventTime, Actor: actor, Rule: p.RuleFor(f.Record.Account, actor.Principal()), Addendum: f.Record.Repeats()}
}

// appliedTo says of each flow log that has an incident whether the incident's history has the record already.
func appliedTo(tx scopeTx, c *incident.Case, ids []string, rec incident.Record) (map[string]bool, error) {
	opened := slices.DeleteFunc(slices.Clone(ids), func(id string) bool { _, found := c.Incident(id); return !found })
	if len(opened) == 0 {
		return nil, nil
	}
	unrecorded, err := tx.Unrecorded(tx.scope, opened, rec.EventID, incident.ClaimOf(&rec.Actor, rec.Time))
	applied := map[string]bool{}
	for _, id := range opened {
		_, is := unrecorded[id]
		applied[id] = !is
	}
	return applied, err
}

// namedBefore reports whether the record is an addendum that was not applied yet, and an earlier record of
// the same event named the flow log.
func namedBefore(tx scopeTx, c *incident.Case, id string, rec incident.Record) (bool, error) {
	if _, found := c.Incident(id); !found || !rec.Addendum || rec.Applied {
		return false, nil
	}
	events, err := tx.EventsOf(tx.scope, id)
	return slices.Contains(events, rec.EventID), err
}

// alertDirectly sends an alert, without the outbox, of a deletion that could not be stored
// (I1). What can still be read from the store says which resources went dark. Whether the
// deletion was allowed is not looked up. The alert has an ID of its own, so that a receiver that
// drops repeated IDs takes the alert that is stored later, which says that the restore goes on.
func (in intake) alertDirectly(ctx context.Context, f detection.Finding, now time.Time) {
	s := in.store.scope
	c, err := read(ctx, in.store, func(tx scopeTx) (*incident.Case, error) {
		return tx.Case(tx.scope, incident.Selection{IDs: f.Deleted}, now)
	})
	if c == nil { // the flow logs can't be looked up
		c = &incident.Case{Scope: s, Now: now}
	}
	c.Policy = in.store.policy
	a, namesNone := notify.UnrecordedDeletion(f, c, err == nil)
	if namesNone {
		a.ID = repeat.BypassID(a, incident.PrincipalOrName(a.Actor), now)
	}
	in.store.senders.Bypass(ctx, notify.NotStored(a))
}
