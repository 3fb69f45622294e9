package remediate

import (
	"context"
	"errors"
	"time"

	"flowkeeper/alert"
	"flowkeeper/inventory"
	"flowkeeper/remediate/incident"
	"flowkeeper/remediate/notify"
)

// NotifyDue alerts of what is due in every scope that the store has events of: also of those
// that have no client, or whose step in hand takes long. It may run beside Run. beat is
// called after each scope.
func (r *Remediator) NotifyDue(ctx context.Context, beat func()) error {
	var scopes []inventory.Scope
	err := r.Store.View(ctx, func(tx Tx) (err error) { scopes, err = tx.DueScopes(r.Now()); return err })
	if err != nil {
		return err
	}
	var errs []error
	for _, s := range scopes {
		var events []incident.Event
		err := r.Store.View(ctx, func(tx Tx) (err error) { events, err = tx.DueEvents(s, r.Now()); return err })
		errs = append(errs, err, r.notifyDue(ctx, s, events))
		beat()
	}
	return errors.Join(errs...)
}

// notifyDue alerts of events whose time has come, each in a transaction of its own.
func (r *Remediator) notifyDue(ctx context.Context, s inventory.Scope, events []incident.Event) error {
	for _, e := range events {
		if err := r.Store.Update(ctx, func(tx Tx) error { return r.notifyDueEvent(tx, s, e.ID, r.Now()) }); err != nil {
			return err
		}
		r.AlertsAdded()
	}
	return nil
}

func (r *Remediator) notifyDueEvent(tx Tx, s inventory.Scope, id string, now time.Time) error {
	e, ok, err := tx.Event(s, id)
	if err != nil || !ok {
		return err
	}
	if e.Due().After(now) { // the clock went back, or it is due so far ahead that it is looked at before
		return tx.PutEvent(e.ClampTimes(now))
	}
	if e.Source == incident.ByDrift && e.ToldDeletion.IsZero() {
		if _, err := r.notifyLoss(tx, e, true, now); err != nil {
			return err
		}
	}
	if err := r.notifyEvent(tx, s, id, now); err != nil {
		return err
	}
	after, ok, err := tx.Event(s, id)
	if err != nil || !ok || !after.SameTimes(e) || after.Due().After(now) {
		return err
	}
	after.DueAt, after.StuckAt, after.OverdueAt = time.Time{}, time.Time{}, time.Time{} // it owes nothing: it is not due for ever
	return tx.PutEvent(after)
}

// notifyEvent alerts of what an event has come to, as far as that is due.
func (r *Remediator) notifyEvent(tx Tx, s inventory.Scope, id string, now time.Time) error {
	e, ok, err := tx.Event(s, id)
	if err != nil || !ok || notify.OwesNothing(e) {
		return err
	}
	if notify.LossIsDue(e, now) { // a drift, by a step that began before that
		if e, err = r.notifyLoss(tx, e, true, now); err != nil {
			return err
		}
	}
	if !notify.IsDue(e, now) {
		if open, err := tx.EventOpen(s, id, now); err != nil {
			return err
		} else if open { // it is too early for any alert, and counting costs
			return putTimes(tx, e, notify.WhileMissing(e, now))
		}
	}
	tally, err := tx.EventStates(s, id, !e.ToldDeletion.IsZero(), now)
	if err != nil {
		return err
	}
	owed := notify.Evaluate(e, tally, now)
	next := owed.Event
	if owed.NotBack {
		if next, err = r.notifyNotBack(tx, next, now); err != nil {
			return err
		}
	}
	if owed.Restored {
		if err := notifyRestored(tx, next, now); err != nil {
			return err
		}
	}
	if owed.Closed && notify.WasAlerted(next) {
		if err := notifyClosed(tx, next, now); err != nil {
			return err
		}
	}
	return putTimes(tx, e, next)
}

// putTimes writes an event if its times are others than they were.
func putTimes(tx Tx, was, e incident.Event) error {
	if e.SameTimes(was) {
		return nil
	}
	return tx.PutEvent(e)
}

func notifyRestored(tx Tx, e incident.Event, now time.Time) error {
	incidents, err := tx.EventIncidents(e.Scope, e.ID, !e.ToldDeletion.IsZero())
	if err != nil {
		return err
	}
	if a, ok := notify.RestoredAlert(e, incidents, now); ok {
		return add(tx, a)
	}
	return nil
}

func notifyClosed(tx Tx, e incident.Event, now time.Time) error {
	incidents, err := tx.EventIncidents(e.Scope, e.ID, !e.ToldDeletion.IsZero())
	if err != nil {
		return err
	}
	open := false
	if e.CampaignID != "" {
		ended, err := tx.EndCampaign(e)
		if err != nil {
			return err
		}
		open = !ended
	}
	return add(tx, notify.ClosedAlert(e, incidents, open, now))
}

// notifyNotBack alerts of those of an event's incidents that are stuck or overdue. It
// returns the event with the times when the next such alerts are due.
func (r *Remediator) notifyNotBack(tx Tx, e incident.Event, now time.Time) (incident.Event, error) {
	incidents, err := tx.EventIncidents(e.Scope, e.ID, false)
	if err != nil {
		return e, err
	}
	due := notify.NotBackDue(incidents, r.Policy, now)
	c, err := r.load(tx, e.Scope, incident.Selection{IDs: idsOf(due)}, now)
	if err != nil {
		return e, err
	}
	mayStayAway := map[string]bool{}
	for _, i := range due {
		mayStayAway[i.FlowLogID] = c.Foresee(i) != ""
	}
	n := notify.EvaluateNotBack(e, incidents, mayStayAway, r.Policy, now)
	c.Put(n.Incidents...)
	if err := tx.SaveCase(c); err != nil {
		return e, err
	}
	_, ours := r.Fleet.EC2(e.Scope)
	for _, a := range n.Alerts {
		if !ours {
			a = notify.NotTried(a)
		}
		if err := add(tx, a); err != nil {
			return e, err
		}
	}
	return n.Event, nil
}

// notifyDrift alerts of flow logs that a refresh found gone, once per refresh: when the
// first of them is decided, or [incident.NotifyDriftAfter] has passed. The incident is one
// of them, after a step.
func (r *Remediator) notifyDrift(tx Tx, i incident.Incident, now time.Time) error {
	if i.Source != incident.ByDrift {
		return nil
	}
	e, ok, err := tx.Event(i.Scope, i.EventID)
	if err != nil || !ok || !e.ToldDeletion.IsZero() || !notify.IsDecidedLoss(i) {
		return err
	}
	_, err = r.notifyLoss(tx, e, false, now)
	return err
}

// notifyLoss alerts of a drift if that is due. It returns the event after that.
func (r *Remediator) notifyLoss(tx Tx, e incident.Event, late bool, now time.Time) (incident.Event, error) {
	incidents, err := tx.EventIncidents(e.Scope, e.ID, false)
	if err != nil {
		return e, err
	}
	loss := notify.EvaluateLoss(e, incidents, late, now)
	if !loss.Due {
		return loss.Event, putTimes(tx, e, loss.Event)
	}
	var facts []string
	if !loss.Quiet {
		if facts, err = r.facts(tx, e.Scope, nil, notify.FlowLogs(loss.Incidents)); err != nil {
			return e, err
		}
	}
	e, a := loss.Alert(facts, now)
	if err := tx.PutEvent(e); err != nil {
		return e, err
	}
	return e, add(tx, a)
}

// add writes an alert's words and puts it into the outbox.
func add(tx interface{ AddAlert(alert.Alert) error }, a alert.Alert) error {
	a.Write()
	return tx.AddAlert(a)
}
