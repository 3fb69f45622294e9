package remediate

import (
	"context"
	"time"

	"flowkeeper/inventory"
	"flowkeeper/remediate/incident"
)

// applyFound writes flow logs that AWS showed at a time: new ones, and what changed
// of live ones.
func (s scopeStore) applyFound(ctx context.Context, list []inventory.FlowLog, at time.Time) (added int, err error) {
	of := incident.Selection{IDs: make([]string, 0, len(list))}
	for _, f := range list {
		of.IDs, of.Resources = append(of.IDs, f.ID), append(of.Resources, f.ResourceID)
	}
	err = s.update(ctx, func(tx scopeTx) error {
		return tx.change(of, func(c *incident.Case) (err error) {
			since := at
			if !c.Complete {
				since = time.Time{} // it may have been there for long
			}
			added = 0
			for _, f := range list {
				isNew := false
				if c.Learns(f.ID, at) {
					if isNew, err = tx.NewDestination(s.scope, f.Destination(s.scope), since); err != nil {
						return err
					}
				}
				if c.ApplyFound(f, isNew, at) {
					added++
				}
			}
			return nil
		})
	})
	return added, err
}

// relearn makes incidents due whose flow log the snapshot has come to know,
// or will not any more: called after every refresh.
func relearn(tx scopeTx) error {
	unknown, err := tx.UnknownOpen(tx.scope, 1000)
	if err != nil {
		return err
	}
	return tx.changeEach(unknown, (*incident.Case).Relearn)
}
