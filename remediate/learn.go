package remediate

import (
	"context"
	"time"

	"flowkeeper/inventory"
	"flowkeeper/remediate/incident"
)

// applyFound writes flow logs that AWS showed at a time: new ones, and what changed
// of live ones.
func (r *Remediator) applyFound(ctx context.Context, s inventory.Scope, list []inventory.FlowLog, at time.Time) (added int, err error) {
	of := incident.Selection{IDs: make([]string, 0, len(list))}
	for _, f := range list {
		of.IDs, of.Resources = append(of.IDs, f.ID), append(of.Resources, f.ResourceID)
	}
	err = r.Store.Update(ctx, func(tx Tx) error {
		c, err := r.load(tx, s, of, r.Now())
		if err != nil {
			return err
		}
		since := at
		if !c.Complete {
			since = time.Time{} // it may have been there for long
		}
		added = 0
		for _, f := range list {
			isNew := false
			if c.Learns(f.ID, at) {
				if isNew, err = tx.NewDestination(s, f.Destination(s), since); err != nil {
					return err
				}
			}
			if c.ApplyFound(f, isNew, at) {
				added++
			}
		}
		return r.save(tx, c)
	})
	return added, err
}
