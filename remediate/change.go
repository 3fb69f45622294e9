package remediate

import (
	"context"

	"flowkeeper/remediate/incident"
)

// change changes incidents as they now are, in one transaction, and alerts people of what
// their events have come to. of is what the change is about: the incidents, and other flow
// logs. Once it is on disk, it is logged and counted.
func (r restorer) change(ctx context.Context, ids []string, of incident.Selection, change func(*incident.Case)) error {
	var before, after []incident.Incident
	var log []incident.LogLine
	err := r.store.update(ctx, func(tx scopeTx) error {
		before, after, log = nil, nil, nil // it may run again
		c, err := tx.load(of)
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
		if err := tx.save(c); err != nil {
			return err
		}
		for _, i := range before {
			i, _ = c.Incident(i.FlowLogID)
			after = append(after, i)
		}
		log = c.Effects.Log
		return tx.notifyChanged(after)
	})
	if err != nil {
		return err
	}
	r.logChanges(log)
	for n := range before {
		if r.meter != nil {
			r.meter.Changed(before[n], after[n])
		}
	}
	return nil
}

func (r restorer) logChanges(lines []incident.LogLine) {
	for _, l := range lines {
		i := l.Incident
		log := r.log.With("flow_log", i.FlowLogID)
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
