package remediate

import (
	"strconv"
	"time"

	"flowkeeper/alert"
	"flowkeeper/inventory"
	"flowkeeper/remediate/incident"
	"flowkeeper/remediate/notify"
)

// tellNotDelivering tells of a replacement that AWS can't deliver from.
func (r *Remediator) tellNotDelivering(tx Tx, i Incident, message string, now time.Time) error {
	e, ok, err := tx.Event(i.Scope, i.EventID)
	if err != nil {
		return err
	}
	if !ok {
		e = eventOf(i)
	}
	e.Level = alert.High
	a := notify.EventAlert(e, alert.Pipeline, now, i.FlowLogID, i.Reason, strconv.FormatInt(now.Unix(), 10))
	a.Rule, a.Part = nil, alert.PartDelivery
	a.FlowLogs = notify.FlowLogs([]Incident{i})
	a.FlowLogs[0].ErrorMessage = message
	return add(tx, a)
}

// eventOf is what is known of an event that is not remembered.
func eventOf(i Incident) Event {
	return Event{Scope: i.Scope, ID: i.EventID, Source: i.Source, Actor: i.Actor, DeletedAt: i.DeletedAt}
}

// unsettle makes an event's end to be told again: an incident of it is open
// again.
func (r *Remediator) unsettle(tx Tx, s inventory.Scope, eventID string, now time.Time) error {
	e, ok, err := tx.Event(s, eventID)
	if err != nil || !ok || e.ToldRestored.IsZero() && e.ToldClosed.IsZero() {
		return err
	}
	e.ReopenedAt, e.ToldRestored, e.ToldClosed, e.DueAt = now, time.Time{}, time.Time{}, now.Add(incident.NotifyRestoredAfter)
	e.OverdueAt = incident.Soonest(e.OverdueAt, now.Add(incident.OverdueAfter))
	return tx.PutEvent(e)
}
