package remediate

import (
	"context"
	"fmt"
	"time"

	"flowkeeper/alert"
	"flowkeeper/inventory"
	"flowkeeper/remediate/incident"
	"flowkeeper/remediate/notify"
)

// recordDrift opens incidents for rows whose flow logs a refresh found gone, and marks the rows
// as gone, in one transaction (I5). started is when the refresh began.
func (r refresher) recordDrift(ctx context.Context, rows []inventory.Row, started time.Time) error {
	var opened []incident.Incident
	err := r.store.update(ctx, func(tx scopeTx) error {
		e, err := driftEvent(tx, started)
		if err != nil {
			return err
		}
		ids, tornDown := make([]string, 0, len(rows)), map[string]bool{}
		for _, row := range rows {
			ids = append(ids, row.ID)
			if r.memory.wasTornDown(row.ResourceID, tx.now) {
				tornDown[row.ResourceID] = true
			}
		}
		err = tx.changeCase(incident.Selection{IDs: ids}, func(c *incident.Case) error {
			opened = nil // the transaction may run again
			for _, id := range ids {
				if c.ApplyDrift(id, e.ID, tornDown) {
					i, _ := c.Incident(id)
					opened = append(opened, i)
				}
			}
			c.Sharing().Gather(e.ID, ids)
			return nil
		})
		if err != nil || len(opened) == 0 {
			return err
		}
		return tx.PutEvent(notify.AfterDrift(e, opened, tx.policy, tx.now))
	})
	if err == nil && len(opened) > 0 {
		r.log.Warn("flow logs are gone, and no event has reported it: events may not arrive", "flow_logs", len(opened))
	}
	return err
}

// driftEvent is the event of the flow logs that a refresh finds gone. A refresh finds them in
// parts: these share one event, unless that has had an alert already.
func driftEvent(tx scopeTx, started time.Time) (incident.Event, error) {
	e := incident.Event{Scope: tx.scope, ID: incident.DriftEventID(tx.scope, started), Source: incident.ByDrift, Level: alert.High, DetectedAt: tx.now}
	old, ok, err := tx.event(e.ID)
	if err != nil || !ok {
		return e, err
	}
	if !notify.HasAlerts(old) {
		return old, nil
	}
	e.ID += fmt.Sprintf("-%d", tx.now.UnixMilli())
	return e, nil
}
