package remediate

import (
	"context"
	"errors"
	"slices"
	"strconv"
	"time"

	"flowkeeper/alert"
	"flowkeeper/inventory"
	"flowkeeper/remediate/incident"
	"flowkeeper/remediate/notify"
)

// add writes an alert's words and puts it into the outbox.
func add(tx Tx, a alert.Alert) error {
	a.Write()
	return tx.AddAlert(a)
}

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

// settleEvent tells people what an event has come to: once when all of it is
// recreated or settled (or five minutes have passed), once when all is over.
func (r *Remediator) settleEvent(tx Tx, s inventory.Scope, eventID string, now time.Time) error {
	e, ok, err := tx.Event(s, eventID)
	told := !e.ToldDeletion.IsZero()
	if err != nil || !ok || !told && e.Source == ByEvent {
		return err
	}
	if !e.ToldClosed.IsZero() && e.Due().IsZero() {
		return nil // over
	}
	if !told && !e.DueAt.IsZero() && !now.Before(e.DueAt) { // a drift, by a step that began before that
		if err := r.tellLoss(tx, e, true, now); err != nil {
			return err
		}
		if e, _, err = tx.Event(s, eventID); err != nil {
			return err
		}
		told = !e.ToldDeletion.IsZero()
	}
	late, stuck := !now.Before(e.DueAt), incident.Soonest(e.StuckAt, e.OverdueAt)
	due := !stuck.IsZero() && !now.Before(stuck)
	if !late && !due {
		if open, err := tx.EventOpen(s, eventID, now); err != nil || open && !e.OverdueAt.IsZero() {
			return err // too early to tell anything, and counting costs
		} else if open { // it was opened again
			e.OverdueAt = now.Add(incident.OverdueAfter)
			return tx.PutEvent(e)
		}
	}
	n, err := tx.EventStates(s, eventID, told, now)
	if err != nil {
		return err
	}
	was := e
	busy := n[Open] + n[Blocked]
	if busy > 0 && e.OverdueAt.IsZero() {
		e.OverdueAt = now.Add(incident.OverdueAfter)
	}
	dropped := len(n) == 0 && told && (due || late && !e.DueAt.IsZero()) // for room: nothing else would end it
	over := busy+n[waiting]+n[Restored] == 0                             // and what is told after the end would never be closed
	if due || !e.StuckAt.IsZero() && (!e.StuckTold && n[Open] == 0 || over) {
		if e, err = r.notifyNotBack(tx, e, now); err != nil {
			return err
		}
	}
	if e.ToldRestored.IsZero() && (busy == 0 || late) && n[Restored]+n[Verified] > 0 {
		e.ToldRestored = now
		if err := r.tellAll(tx, e, alert.Restored, now); err != nil {
			return err
		}
	}
	if e.ToldClosed.IsZero() && over && (n[Verified]+n[Closed] > 0 || dropped) {
		e.ToldClosed = now
		if told || e.StuckTold { // or there is nothing that a pager could resolve
			if err := r.tellAll(tx, e, alert.Closed, now); err != nil {
				return err
			}
		}
	}
	if late || !e.ToldClosed.IsZero() {
		e.DueAt = time.Time{}
	}
	if over {
		e.OverdueAt = time.Time{}
	}
	if e.SameTimes(was) {
		return nil
	}
	return tx.PutEvent(e)
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

// waiting counts open incidents that a rule's wait holds back: people hear of
// the others without them.
const waiting State = "waiting"

func (r *Remediator) tellAll(tx Tx, e Event, kind alert.Kind, now time.Time) error {
	incidents, err := tx.EventIncidents(e.Scope, e.ID, !e.ToldDeletion.IsZero())
	if err != nil {
		return err
	}
	reopened := ""
	for _, at := range []time.Time{e.ToldDeletion, e.ReopenedAt} {
		if !at.IsZero() {
			reopened += strconv.FormatInt(at.UnixMilli(), 10) + " "
		}
	}
	if kind == alert.Restored && !slices.ContainsFunc(incidents, func(i Incident) bool { return i.EventID == e.ID || i.RestoredAt.After(e.ToldDeletion) }) {
		return nil // it was back before anybody heard of this event: that was told
	}
	quiet := e.Level == alert.Informational
	a := notify.EventAlert(e, kind, now, reopened, notify.IDsOf(incidents))
	a.Level, a.Rule = alert.Low, nil
	adopted := true
	for _, i := range incidents {
		adopted = adopted && (i.Adopted || i.NewID == "")
	}
	a.RouteLevel = e.Level
	for _, i := range incidents {
		if !i.ToldStuckAt.IsZero() || i.Flapping || e.StuckTold {
			a.RouteLevel = alert.Critical // what a pager opened, it must also resolve
		}
	}
	if kind == alert.Closed || quiet || adopted && e.Source == ByDrift {
		a.Level = alert.Informational
	}
	a.FlowLogs = notify.FlowLogs(incidents)
	if kind == alert.Closed && e.CampaignID != "" {
		ended, err := tx.EndCampaign(e)
		if err != nil {
			return err
		}
		a.CampaignOpen = !ended
	}
	a.Minor = e.Unknown && !slices.ContainsFunc(incidents, func(i Incident) bool { return i.Known })
	return add(tx, a)
}

// tellDrift tells of flow logs that a refresh found gone, once per refresh:
// when the first create has answered, or [incident.NotifyDriftAfter] has passed. Adopted ones need no such alert, and where
// all were on dead resources, or released, it is informational.
func (r *Remediator) tellDrift(tx Tx, i Incident, now time.Time) error {
	if i.Source != ByDrift {
		return nil
	}
	e, ok, err := tx.Event(i.Scope, i.EventID)
	if err != nil || !ok || !e.ToldDeletion.IsZero() || !i.Decided() || i.Adopted || i.Reason == StillThere {
		return err
	}
	return r.tellLoss(tx, e, false, now)
}

// tellLoss tells of a drift. While all that is decided is quiet, it waits for the
// rest, until it is late.
func (r *Remediator) tellLoss(tx Tx, e Event, late bool, now time.Time) error {
	all, err := tx.EventIncidents(e.Scope, e.ID, false)
	if err != nil {
		return err
	}
	all = slices.DeleteFunc(all, func(x Incident) bool { return x.Adopted || x.Reason == StillThere })
	quiet, decided := true, 0
	for _, x := range all {
		if x.Decided() {
			quiet, decided = quiet && x.Quiet(), decided+1
		}
	}
	undecided := decided < len(all)
	switch {
	case len(all) == 0, decided == 0 && !late:
		return nil
	case quiet && undecided && !late:
		e.DueAt = incident.Soonest(e.DueAt, now.Add(incident.NotifyDriftAfter)) // of an older file: later
		return tx.PutEvent(e)
	}
	quiet = quiet && !undecided
	if quiet {
		e.Level = alert.Informational
	}
	var raisedBy []string
	if !quiet {
		facts, err := r.facts(tx, e.Scope, nil, notify.FlowLogs(all))
		if err != nil {
			return err
		}
		e.Level, raisedBy = notify.Raised(e.Level, facts)
	}
	e.ToldDeletion, e.ToldClosed, e.DueAt = now, time.Time{}, now.Add(incident.NotifyRestoredAfter) // an end that nobody heard of was none
	if err := tx.PutEvent(e); err != nil {
		return err
	}
	a := notify.DeletionAlert(e, all, now)
	a.RaisedBy = raisedBy
	for n, i := range all {
		if i.State == Open && i.WaitUntil.After(now) {
			a.FlowLogs[n].NextAttemptAt = &alert.Time{Time: i.WaitUntil}
		}
	}
	return add(tx, a)
}

// TellDue tells people of what is due in every scope that the store has events of:
// also of those that have no client, or whose step in hand takes long. It may run
// beside Run. beat is called after each scope.
func (r *Remediator) TellDue(ctx context.Context, beat func()) error {
	var scopes []inventory.Scope
	err := r.Store.View(ctx, func(tx Tx) (err error) { scopes, err = tx.DueScopes(r.Now()); return err })
	if err != nil {
		return err
	}
	var errs []error
	for _, s := range scopes {
		var events []Event
		err := r.Store.View(ctx, func(tx Tx) (err error) { events, err = tx.DueEvents(s, r.Now()); return err })
		errs = append(errs, err, r.tellDue(ctx, s, events))
		beat()
	}
	return errors.Join(errs...)
}

// tellDue settles events whose time has come.
func (r *Remediator) tellDue(ctx context.Context, s inventory.Scope, events []Event) error {
	for _, e := range events {
		if err := r.Store.Update(ctx, func(tx Tx) error { return r.settleDue(tx, s, e.ID, r.Now()) }); err != nil {
			return err
		}
		r.Wake()
	}
	return nil
}

func (r *Remediator) settleDue(tx Tx, s inventory.Scope, id string, now time.Time) error {
	e, ok, err := tx.Event(s, id)
	if err != nil || !ok {
		return err
	}
	if e.Due().After(now) { // the clock went back, or it is due so far ahead that it is looked at before
		e.DueAt, e.StuckAt = incident.Earlier(e.DueAt, now.Add(incident.NotifyRestoredAfter)), incident.Earlier(e.StuckAt, now.Add(incident.NotifyStuckAgainAfter))
		e.OverdueAt = incident.Earlier(e.OverdueAt, now.Add(incident.RemindAfter))
		return tx.PutEvent(e)
	}
	if e.Source == ByDrift && e.ToldDeletion.IsZero() {
		if err := r.tellLoss(tx, e, true, now); err != nil {
			return err
		}
	}
	if err := r.settleEvent(tx, s, id, now); err != nil {
		return err
	}
	after, ok, err := tx.Event(s, id)
	if err != nil || !ok || !after.SameTimes(e) || after.Due().After(now) {
		return err
	}
	after.DueAt, after.StuckAt, after.OverdueAt = time.Time{}, time.Time{}, time.Time{} // there is nothing to tell: it is not due for ever
	return tx.PutEvent(after)
}
