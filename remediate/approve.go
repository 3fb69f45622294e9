package remediate

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"

	"flowkeeper/inventory"
	"flowkeeper/remediate/incident"
)

// Approve ends the hold of the flow logs that deliver to the recipients of some
// destinations, in all scopes, and of those that will. It returns those that are held no
// more, with those that are gone and stay so. A destination that nothing held delivers to is
// an error, unless it was approved before; nothing is changed then.
func (r *Remediator) Approve(ctx context.Context, destinations []string) (rows []inventory.Row, err error) {
	defer r.Senders.Wake()
	err = r.Store.Update(ctx, func(tx Tx) error {
		rows = nil // it may run again
		held, err := tx.Held()
		if err != nil {
			return err
		}
		ids := map[inventory.Scope][]string{}
		for _, destination := range destinations {
			to := inventory.RecipientOf(destination)
			these := slices.DeleteFunc(slices.Clone(held), func(row inventory.Row) bool { return inventory.RecipientOf(row.Destination(row.Scope)) != to })
			known, err := tx.Trusted(to)
			if err != nil {
				return err
			}
			if len(these) == 0 && !known {
				return fmt.Errorf("no flow log that is held delivers to %s: see `flowkeeper inventory list --held`", to)
			}
			if err := tx.Approve(to); err != nil {
				return err
			}
			for _, row := range these {
				ids[row.Scope] = append(ids[row.Scope], row.ID)
			}
		}
		for _, s := range slices.SortedFunc(maps.Keys(ids), func(a, b inventory.Scope) int { return cmp.Compare(a.String(), b.String()) }) {
			changed, err := r.parts(s).store.in(tx).approve(ids[s])
			if err != nil {
				return err
			}
			rows = append(rows, changed...)
		}
		return nil
	})
	return rows, err
}

// approve ends the hold of flow logs, and returns their rows.
func (tx scopeTx) approve(ids []string) (rows []inventory.Row, err error) {
	err = tx.change(incident.Selection{IDs: ids}, func(c *incident.Case) error {
		for _, id := range slices.Compact(slices.Sorted(slices.Values(ids))) {
			c.Rows().Approve(id)
			row, _ := c.Row(id)
			rows = append(rows, row)
		}
		return nil
	})
	return rows, err
}
