package remediate

import (
	"context"

	"flowkeeper/remediate/incident"
)

// change loads the case of the flow logs that of selects, and calls do to change it, in one transaction. The
// same transaction adds the alerts that the events of the incidents ids then owe. After the commit,
// the changes are logged, and those of the incidents ids are counted. If there is none of these
// incidents, nothing is changed.
func (r restorer) change(ctx context.Context, ids []string, of incident.Selection, do func(*incident.Case)) error {
	var before, after []incident.Incident
	var log []incident.LogLine
	err := r.store.update(ctx, func(tx scopeTx) error {
		before, after, log = nil, nil, nil // the transaction may run again
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
		do(c)
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
