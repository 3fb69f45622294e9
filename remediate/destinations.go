package remediate

import (
	"context"
	"fmt"

	"flowkeeper/inventory"
	"flowkeeper/remediate/incident"
)

// reconsider applies inventory.destinations to the rows of the snapshot, once after each
// start: the configuration may have changed since they were written.
func (r refresher) reconsider(ctx context.Context) error {
	if r.memory.reconsidered.Load() {
		return nil
	}
	changed := 0
	protects := func(destination string) bool { return incident.Protects(r.store.policy.Destinations, destination) }
	err := r.eachLive(ctx, protects, func(page []inventory.Row) error {
		var ids []string
		for _, row := range page {
			if r.store.policy.Misjudges(row) {
				ids = append(ids, row.ID)
			}
		}
		if len(ids) == 0 {
			return nil
		}
		changed += len(ids)
		return r.store.update(ctx, func(tx scopeTx) error {
			return tx.changeEach(ids, func(c *incident.Case, id string) { c.Rows().Exclude(id) })
		})
	})
	if err != nil {
		return fmt.Errorf("apply inventory.destinations to the snapshot of %s: %w", r.store.scope, err)
	}
	if changed > 0 {
		r.log.Info("inventory.destinations has changed: some flow logs are protected now, or not any more", "flow_logs", changed)
	}
	r.memory.reconsidered.Store(true)
	return nil
}

// eachLive calls fn with the live rows of the scope, a page at a time. It leaves out those that
// are restored when they are deleted and deliver to a destination that is fine.
func (r refresher) eachLive(ctx context.Context, fine func(destination string) bool, fn func(page []inventory.Row) error) error {
	const size = 500
	for after := ""; ; {
		rows, err := r.snapshot.LiveUnless(ctx, r.store.scope, fine, after, size)
		if err != nil || len(rows) == 0 {
			return err
		}
		after = rows[len(rows)-1].ID
		if err := fn(rows); err != nil {
			return err
		}
	}
}
