package remediate

import (
	"flowkeeper/alert"
	"flowkeeper/remediate/campaign"
	"flowkeeper/remediate/incident"
	"flowkeeper/remediate/notify"
)

// notifyChanged adds the alerts that the events of changed incidents now owe, each event
// once.
func (tx scopeTx) notifyChanged(changed []incident.Incident) error {
	for _, i := range changed {
		if err := tx.notifyDrift(i); err != nil {
			return err
		}
	}
	events, err := tx.EventsOf(tx.scope, idsOf(changed)...)
	if err != nil {
		return err
	}
	for _, id := range events {
		if err := tx.notifyEvent(id); err != nil {
			return err
		}
	}
	return nil
}

// notifyDueEvent adds the alerts of an event that is due, even if none of its incidents has
// changed. The restorer calls it in each step, and so does [Remediator.NotifyDue].
func (tx scopeTx) notifyDueEvent(id string) error {
	e, ok, err := tx.event(id)
	if err != nil || !ok {
		return err
	}
	if e.Due().After(tx.now) { // the clock went back, or Due is so far ahead that the store has the event evaluated earlier
		return tx.PutEvent(e.ClampTimes(tx.now))
	}
	after, err := tx.addOwed(e, notify.AwaitsLoss(e))
	if err != nil {
		return err
	}
	if after, cleared := notify.ClearTimes(e, after, tx.now); cleared {
		return tx.PutEvent(after)
	}
	return nil
}

// notifyEvent adds the alerts that an event owes. It runs in the transaction of each change
// of its incidents, and of each record that has an alert.
func (tx scopeTx) notifyEvent(id string) error {
	e, ok, err := tx.event(id)
	if err != nil || !ok {
		return err
	}
	_, err = tx.addOwed(e, notify.LossIsDue(e, tx.now)) // it may have become due while the step ran
	return err
}

// addOwed adds the alerts that an event owes, and returns the event afterwards. lossDue: the deletion alert of a loss is
// the first of them.
func (tx scopeTx) addOwed(e incident.Event, lossDue bool) (_ incident.Event, err error) {
	if lossDue {
		if e, err = tx.notifyWholeLoss(e); err != nil {
			return e, err
		}
	}
	if notify.OwesNothing(e) {
		return e, nil
	}
	tally, err := tx.tally(e)
	if err != nil {
		return e, err
	}
	owed := notify.Evaluate(e, tally, tx.now)
	after := owed.Event
	if owed.NotBack {
		if after, err = tx.notifyNotBack(owed); err != nil {
			return e, err
		}
	}
	if err := tx.notifyEnd(owed.End(after)); err != nil {
		return e, err
	}
	return after, tx.putTimes(e, after)
}

// tally counts the incidents of an event. If no alert can be due while one is open, it counts that one only, because
// to count all of them takes long.
func (tx scopeTx) tally(e incident.Event) (notify.Tally, error) {
	if notify.OneOpenIsEnough(e, tx.now) {
		if open, err := tx.EventOpen(tx.scope, e.ID, tx.now); err != nil || open {
			return notify.Tally{incident.Open: 1}, err
		}
	}
	return tx.EventStates(tx.scope, e.ID, notify.CountsEverNamed(e), tx.now)
}

// putTimes writes an event if its times have changed.
func (tx scopeTx) putTimes(was, e incident.Event) error {
	if e.SameTimes(was) {
		return nil
	}
	return tx.PutEvent(e)
}

// notifyEnd alerts that the flow logs of an event are back, that nothing is left to do, or
// both.
func (tx scopeTx) notifyEnd(end notify.End) error {
	e := end.Event
	if !end.Restored && !end.Closed {
		return nil
	}
	incidents, err := tx.EventIncidents(tx.scope, e.ID, notify.CountsEverNamed(e))
	if err != nil {
		return err
	}
	if a, due := notify.RestoredAlert(e, incidents, tx.now); due && end.Restored {
		if err := a.AddTo(tx); err != nil {
			return err
		}
	}
	if !end.Closed {
		return nil
	}
	open, err := campaign.GoesOn(tx, e)
	if err != nil {
		return err
	}
	return notify.ClosedAlert(e, incidents, open, tx.now).AddTo(tx)
}

// notifyNotBack alerts of those of an event's incidents that are stuck or overdue. It
// returns the event with the times when the next such alerts are due.
func (tx scopeTx) notifyNotBack(owed notify.Owed) (incident.Event, error) {
	incidents, err := tx.EventIncidents(tx.scope, owed.Event.ID, false)
	if err != nil {
		return owed.Event, err
	}
	c, err := tx.load(incident.Selection{IDs: idsOf(notify.NamedNotBack(incidents, tx.policy, tx.now))})
	if err != nil {
		return owed.Event, err
	}
	n := owed.EvaluateNotBack(incidents, c, tx.configured)
	c.Put(n.Incidents...)
	c.Rows().StuckAlerted(n.Incidents)
	if err := tx.SaveCase(c); err != nil {
		return owed.Event, err
	}
	for _, a := range n.Alerts {
		if err := a.AddTo(tx); err != nil {
			return owed.Event, err
		}
	}
	return n.Event, nil
}

// notifyDrift adds the deletion alert of the flow logs that a refresh found gone, if enough of their incidents are
// decided. There is one for each refresh: at the deadline of the event it is added by notifyWholeLoss. i is one of these
// incidents, which a step has changed.
func (tx scopeTx) notifyDrift(i incident.Incident) error {
	if i.Source != incident.ByDrift || !notify.IsDecidedLoss(i) {
		return nil
	}
	e, ok, err := tx.event(i.EventID)
	if alerted := !e.DeletionAlertedAt.IsZero(); err != nil || !ok || alerted {
		return err
	}
	loss, err := tx.loss(e)
	if err != nil {
		return err
	}
	if loss.Decided {
		_, err = tx.alertLoss(loss)
		return err
	}
	return tx.putTimes(e, loss.WithDeadline(tx.now))
}

// notifyWholeLoss adds the deletion alert about all that a refresh found gone, decided or not, if any of that needs
// an alert. It returns the event after that.
func (tx scopeTx) notifyWholeLoss(e incident.Event) (incident.Event, error) {
	loss, err := tx.loss(e)
	if err != nil || len(loss.Incidents) == 0 {
		return e, err
	}
	return tx.alertLoss(loss)
}

func (tx scopeTx) loss(e incident.Event) (notify.Loss, error) {
	incidents, err := tx.EventIncidents(tx.scope, e.ID, false)
	return notify.EvaluateLoss(e, incidents), err
}

// alertLoss adds the deletion alert of a loss, and returns the event after that.
func (tx scopeTx) alertLoss(loss notify.Loss) (_ incident.Event, err error) {
	var facts []string
	if !loss.Quiet {
		if facts, err = tx.facts(nil, notify.FlowLogs(loss.Incidents)); err != nil {
			return loss.Event, err
		}
	}
	e, a := loss.Alert(facts, tx.policy, tx.now)
	return e, tx.putAlerted(e, a)
}

// alertHeld adds the alert of a deletion that was held back because its flow log was unknown. The snapshot has that
// flow log by now.
func (tx scopeTx) alertHeld(e incident.Event) error {
	incidents, err := tx.EventIncidents(tx.scope, e.ID, false)
	if err != nil {
		return err
	}
	facts, err := tx.facts(e.Actor, notify.FlowLogs(incidents))
	if err != nil {
		return err
	}
	e, a := notify.HeldAlert(e, incidents, facts, tx.now)
	return tx.putAlerted(e, a)
}

// putAlerted writes an event as it is after an alert, and adds the alert.
func (tx scopeTx) putAlerted(e incident.Event, a alert.Alert) error {
	if err := tx.PutEvent(e); err != nil {
		return err
	}
	return a.AddTo(tx)
}

// overdueEarlier brings forward when other events alert that the incidents are not back,
// because a record may have ended a wait that another event began. It leaves out the event except.
func (tx scopeTx) overdueEarlier(except string, incidents []incident.Incident) error {
	for id, at := range notify.OverdueTimes(incidents, except, tx.policy, tx.now) {
		e, ok, err := tx.event(id)
		if err != nil {
			return err
		}
		e, earlier := notify.WithOverdueBy(e, at)
		if !ok || !earlier {
			continue
		}
		if err := tx.PutEvent(e); err != nil {
			return err
		}
	}
	return nil
}
