package remediate

import (
	"context"
	"time"

	"flowkeeper/inventory"
	"flowkeeper/remediate/incident"
)

// update changes incidents as they now are, in one transaction, then alerts people of
// what their events have come to. of is what the change is about: the incidents, and
// other flow logs.
func (r *Remediator) update(ctx context.Context, s inventory.Scope, ids []string, of incident.Selection, change func(*incident.Case)) error {
	var before, after []incident.Incident
	var log []incident.LogLine
	err := r.Store.Update(ctx, func(tx Tx) error {
		before, after, log = nil, nil, nil // it may run again
		now := r.Now()
		c, err := r.load(tx, s, of, now)
		if err != nil {
			return err
		}
		for _, id := range ids {
			if i, ok := c.Incident(id); ok {
				before = append(before, i)
			}
		}
		if len(before) == 0 {
			return nil
		}
		change(c)
		if err := r.save(tx, c); err != nil {
			return err
		}
		for _, i := range before {
			i, _ = c.Incident(i.FlowLogID)
			after = append(after, i)
		}
		log = c.Effects.Log
		return r.notifyOf(tx, s, after, now)
	})
	r.AlertsAdded() // also after an error: a commit that failed may be on disk all the same
	if err != nil || len(before) == 0 {
		return err
	}
	r.logChanges(log)
	if r.Meter != nil {
		for n := range before {
			r.Meter.Changed(before[n], after[n])
		}
	}
	return nil
}

// notifyOf alerts people of what the events of changed incidents have come to, each event
// once.
func (r *Remediator) notifyOf(tx Tx, s inventory.Scope, changed []incident.Incident, now time.Time) error {
	for _, i := range changed {
		if err := r.notifyDrift(tx, i, now); err != nil {
			return err
		}
	}
	events, err := tx.EventsOf(s, idsOf(changed)...)
	if err != nil {
		return err
	}
	for _, e := range events {
		if err := r.notifyEvent(tx, s, e, now); err != nil {
			return err
		}
	}
	return nil
}

// logChanges logs what has become of incidents, once that is on disk.
func (r *Remediator) logChanges(lines []incident.LogLine) {
	for _, l := range lines {
		i := l.Incident
		log := r.Log.With("flow_log", i.FlowLogID, "account", i.Scope.Account, "region", i.Scope.Region)
		if l.Retry {
			log.Warn("will try again", "error", l.Text)
			continue
		}
		if i.Reason != "" {
			log = log.With("reason", i.Reason)
		}
		if i.NewID != "" {
			log = log.With("new_flow_log", i.NewID)
		}
		log.Info("incident "+string(i.State), "text", l.Text)
	}
}
