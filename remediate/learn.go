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
			trusted := map[inventory.Recipient]bool{}
			for _, f := range list {
				var to incident.DestinationFacts
				if c.Rows().Learns(f.ID, at) {
					if to, err = tx.destination(f, since, c.MayHold, trusted); err != nil {
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

// destination is what is known of where a flow log delivers that was first seen at a time.
// Whether its recipient is trusted is only looked up if it may be held; trusted has those
// that were.
func (tx scopeTx) destination(f inventory.FlowLog, since time.Time, mayHold bool, trusted map[inventory.Recipient]bool) (to incident.DestinationFacts, err error) {
	destination := f.Destination(tx.scope)
	if !since.IsZero() {
		since = incident.Later(since, f.CreatedAt) // by AWS's clock: this machine's may be behind
	}
	if to.New, err = tx.NewDestination(tx.scope, destination, since); err != nil {
		return to, err
	}
	recipient := inventory.RecipientOf(destination)
	if !mayHold || recipient == "" || trusted[recipient] {
		to.Trusted = true
		return to, nil
	}
	to.Trusted, err = tx.Trusted(recipient)
	trusted[recipient] = to.Trusted
	return to, err
}

// mostRelearned is how many flow logs one transaction of relearn changes.
const mostRelearned = 1000

// relearn is called after every refresh. It makes incidents due whose flow log the snapshot has come
// to know, or will not any more, and protects the decoys that AWS shows beside the flow log in whose
// place they stood.
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
		decoys, err = tx.shownBeside("")
		return err
	})
	for err == nil && len(decoys) == mostRelearned { // all pages: those that stay decoys keep no others waiting
		after := decoys[mostRelearned-1]
		err = s.update(ctx, func(tx scopeTx) (err error) { decoys, err = tx.shownBeside(after); return err })
	}
	return err
}

// shownBeside calls [incident.Rows.ShownBeside] for the next decoys, in the order of their IDs, and returns
// these. after is the last ID of those before; empty: it begins with the first.
func (tx scopeTx) shownBeside(after string) ([]string, error) {
	decoys, err := tx.Decoys(tx.scope, after, mostRelearned)
	if err != nil || len(decoys) == 0 {
		return nil, err
	}
	return decoys, tx.change(incident.Selection{IDs: decoys}, func(c *incident.Case) error {
		c.Rows().ShownBeside(decoys)
		return nil
	})
}
