package remediate

import (
	"cmp"
	"context"
	"maps"
	"slices"

	"flowkeeper/inventory"
	"flowkeeper/remediate/incident"
	"flowkeeper/remediate/trust"
)

// Approve approves the recipients of some destinations, in all scopes: flow logs that deliver to
// them are no longer held, and later ones never are. It returns the rows whose hold it ended,
// also those of flow logs that are gone, which are not restored. If no held flow log delivers to
// one of the destinations, and its recipient was not trusted before, it returns an error, and
// changes nothing.
func (r *Remediator) Approve(ctx context.Context, destinations []string) (rows []inventory.Row, err error) {
	defer r.Senders.Wake()
	err = r.Store.Update(ctx, func(tx Tx) error {
		rows = nil // the transaction may run again
		ids, err := trust.Approve(tx, destinations)
		if err != nil {
			return err
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
	err = tx.changeCase(incident.Selection{IDs: ids}, func(c *incident.Case) error {
		for _, id := range slices.Compact(slices.Sorted(slices.Values(ids))) {
			c.Rows().Approve(id)
			row, _ := c.Row(id)
			rows = append(rows, row)
		}
		return nil
	})
	return rows, err
}
