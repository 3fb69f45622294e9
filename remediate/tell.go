package remediate

import (
	"context"
	"errors"
	"slices"
	"strconv"
	"strings"
	"time"

	"flowkeeper/alert"
	"flowkeeper/internal/detection"
	"flowkeeper/inventory"
	"flowkeeper/remediate/incident"
)

// tellRestoredAfter is when people hear what is restored even if some of the
// event's flow logs are not back yet.
const tellRestoredAfter = 5 * time.Minute

// newAlert of one event and kind. The ID is the same whenever the same thing
// is told.
func (r *Remediator) newAlert(e Event, kind alert.Kind, now time.Time, parts ...string) alert.Alert {
	a := alert.Alert{
		ID:       alert.ID(append([]string{string(kind), e.Scope.String(), e.ID}, parts...)...),
		DedupKey: alert.DedupKey(e.Scope.String(), e.ID), CampaignID: e.CampaignID,
		Time: alert.Time{Time: now}, Kind: kind, Level: e.Level, Rule: e.Rule,
		Account: e.Scope.Account, Region: e.Scope.Region, EventID: e.ID, Source: e.Source, Actor: e.Actor,
	}
	if !e.DeletedAt.IsZero() {
		a.DeletedAt = &alert.Time{Time: e.DeletedAt}
	}
	return a
}

// findingAlert is an alert about a record alone, with no incident.
func (r *Remediator) findingAlert(f detection.Finding, kind alert.Kind, now time.Time, parts ...string) alert.Alert {
	actor, rec := f.Actor(), f.Record
	s := inventory.Scope{Account: rec.Account, Region: rec.Region}
	a := alert.Alert{
		ID:       alert.ID(append([]string{string(kind), s.String(), rec.EventID, rec.EventName, incident.ClaimOf(&actor, rec.EventTime)}, parts...)...),
		DedupKey: alert.DedupKey(s.String(), rec.EventID+" "+string(kind)),
		Time:     alert.Time{Time: now}, Kind: kind, Level: f.Rule.Level, Rule: &alert.Rule{ID: f.Rule.ID, Title: f.Rule.Title},
		Account: rec.Account, Region: rec.Region, EventID: rec.EventID, Source: ByEvent, Actor: &actor,
	}
	if !rec.EventTime.IsZero() {
		a.EventTime = &alert.Time{Time: rec.EventTime}
	}
	return a
}

func (r *Remediator) deletionAlert(e Event, incidents []Incident, now time.Time) alert.Alert {
	parts := []string(nil)
	if e.Source == ByEvent {
		parts = []string{idsOf(incidents), incident.ClaimOf(e.Actor, e.DeletedAt)} // a forged twin of an event ID can't swallow the real alert (I2)
	}
	a := r.newAlert(e, alert.Deletion, now, parts...)
	a.FlowLogs, a.FailedFlowLogs, a.FailedOmitted = flowLogs(incidents), e.Failed, e.FailedOmitted
	return a
}

// idsOf are the flow logs of incidents, in one text.
func idsOf(incidents []Incident) string {
	ids := make([]string, 0, len(incidents))
	for _, i := range incidents {
		ids = append(ids, i.FlowLogID)
	}
	slices.Sort(ids)
	return strings.Join(ids, ",")
}

// add writes an alert's words and puts it into the outbox.
func add(tx Tx, a alert.Alert) error {
	a.Write()
	return tx.AddAlert(a)
}

// flowLogs of an alert.
func flowLogs(incidents []Incident) []alert.FlowLog {
	out := make([]alert.FlowLog, 0, len(incidents))
	for _, i := range incidents {
		f := alert.FlowLog{
			FlowLogID: i.FlowLogID, ResourceID: i.ResourceID, State: string(i.State), Reason: i.Reason, Advice: i.Advice,
			Destination: i.Frozen.Destination(i.Scope), LogFormat: i.Frozen.LogFormat, Tags: i.Frozen.Tags, NewFlowLogID: i.NewID,
		}
		if i.RootID != i.FlowLogID {
			f.RootFlowLogID = i.RootID
		}
		if i.Action == Wait && i.State == Open {
			f.NextAttemptAt = &alert.Time{Time: i.WaitUntil}
		}
		if s, ok := i.BlindSeconds(); ok {
			f.BlindSeconds = &s
		}
		out = append(out, f)
	}
	return out
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
	a := r.newAlert(e, alert.Pipeline, now, i.FlowLogID, i.Reason, strconv.FormatInt(now.Unix(), 10))
	a.Rule, a.Part = nil, alert.PartDelivery
	a.FlowLogs = flowLogs([]Incident{i})
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
		if e, err = r.tellStuck(tx, e, now); err != nil {
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
	e.ReopenedAt, e.ToldRestored, e.ToldClosed, e.DueAt = now, time.Time{}, time.Time{}, now.Add(tellRestoredAfter)
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
	a := r.newAlert(e, kind, now, reopened, idsOf(incidents))
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
	a.FlowLogs = flowLogs(incidents)
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

// tellDriftAfter is when people hear at the latest of a drift, decided or not, but
// for what else is being told: within 30 seconds of the refresh.
const tellDriftAfter = 25 * time.Second

// tellDrift tells of flow logs that a refresh found gone, once per refresh:
// when the first create has answered, or tellDriftAfter has passed. Adopted ones need no such alert, and where
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
		e.DueAt = incident.Soonest(e.DueAt, now.Add(tellDriftAfter)) // of an older file: later
		return tx.PutEvent(e)
	}
	quiet = quiet && !undecided
	if quiet {
		e.Level = alert.Informational
	}
	var raisedBy []string
	if !quiet {
		facts, err := r.facts(tx, e.Scope, nil, flowLogs(all))
		if err != nil {
			return err
		}
		e.Level, raisedBy = raised(e.Level, facts)
	}
	e.ToldDeletion, e.ToldClosed, e.DueAt = now, time.Time{}, now.Add(tellRestoredAfter) // an end that nobody heard of was none
	if err := tx.PutEvent(e); err != nil {
		return err
	}
	a := r.deletionAlert(e, all, now)
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
		e.DueAt, e.StuckAt = incident.Earlier(e.DueAt, now.Add(tellRestoredAfter)), incident.Earlier(e.StuckAt, now.Add(tellStuckAgainAfter))
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
