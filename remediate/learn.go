package remediate

import (
	"context"
	"time"

	"flowkeeper/inventory"
	"flowkeeper/remediate/incident"
	"flowkeeper/remediate/trust"
)

// applyFound writes flow logs that AWS showed at a time: new ones, and what changed
// of live ones.
func (s scopeStore) applyFound(ctx context.Context, list []inventory.FlowLog, at time.Time) (added int, err error) {
	of := incident.Selection{IDs: make([]string, 0, len(list))}
	for _, f := range list {
		of.IDs, of.Resources = append(of.IDs, f.ID), append(of.Resources, f.ResourceID)
	}
	err = s.update(ctx, func(tx scopeTx) error {
		return tx.changeCase(of, func(c *incident.Case) (err error) {
			since := at
			if !c.Complete {
				since = time.Time{} // before the first refresh has ended, a flow log may have existed for long
			}
			added = 0
			facts := trust.Facts{Tx: tx, Scope: tx.scope, MayHold: c.Rows().MayHold()}
			for _, f := range list {
				var to incident.DestinationFacts
				if c.Rows().Learns(f.ID, at) {
					if to, err = facts.Of(f, since); err != nil {
						return err
					}
				}
				if c.Rows().ApplyFound(f, to, at) {
					added++
				}
			}
			return nil
		})
	})
	return added, err
}

// mostRelearned is how many flow logs one transaction of relearn changes.
const mostRelearned = 1000

// relearn is called after every refresh. It makes incidents of unknown flow logs due: the snapshot has learned
// the flow log, or will never do so. It protects flow logs that counted as decoys, if AWS also shows the flow
// log in whose place each seemed to be.
func (s scopeStore) relearn(ctx context.Context) error {
	var decoys []string
	err := s.update(ctx, func(tx scopeTx) error {
		unknown, err := tx.UnknownOpen(tx.scope, mostRelearned)
		if err != nil {
			return err
		}
		if err := tx.changeEach(unknown, func(c *incident.Case, id string) { c.Rows().Relearn(id) }); err != nil {
			return err
		}
		decoys, err = tx.protectShown("")
		return err
	})
	for err == nil && len(decoys) == mostRelearned { // check the other pages, too: all flow logs of the first may stay decoys
		after := decoys[mostRelearned-1]
		err = s.update(ctx, func(tx scopeTx) (err error) { decoys, err = tx.protectShown(after); return err })
	}
	return err
}

// protectShown calls [incident.Rows.ProtectShown] for the next decoys, in the order of their IDs, and returns
// these decoys. after is the last ID of the page before; empty: this is the first page.
func (tx scopeTx) protectShown(after string) ([]string, error) {
	decoys, err := tx.Decoys(tx.scope, after, mostRelearned)
	if err != nil || len(decoys) == 0 {
		return nil, err
	}
	return decoys, tx.changeCase(incident.Selection{IDs: decoys}, func(c *incident.Case) error {
		c.Rows().ProtectShown(decoys)
		return nil
	})
}
