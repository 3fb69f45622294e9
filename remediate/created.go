package remediate

import (
	"cmp"
	"context"
	"maps"
	"slices"

	"flowkeeper/internal/detection"
	"flowkeeper/inventory"
	"flowkeeper/remediate/answer"
	"flowkeeper/remediate/incident"
)

// learnCreated puts new flow logs into the snapshot at once, so that one that is deleted
// before the next refresh is known. If it fails, or the scope's pace is used up, the next
// refresh finds the flow logs.
func (in intake) learnCreated(ctx context.Context, fs []detection.Finding) {
	ctx, cancel := context.WithTimeout(ctx, answer.Timeout)
	defer cancel()
	for _, f := range fs {
		if f.Kind != detection.Created {
			continue
		}
		for ids := range slices.Chunk(f.Record.CreatedIDs, perObservation) {
			if !in.client.pace.describes.allowSpare(in.store.now()) {
				in.refreshes.Soon(in.store.scope)
				return
			}
			if err := in.learnByID(ctx, ids); err != nil {
				in.log.Warn("could not describe new flow logs; the next refresh will", "error", err)
			}
			if err := in.noteCreator(ctx, ids, f); err != nil {
				in.log.Warn("could not note who created flow logs", "error", err)
			}
		}
	}
}

// learnByID describes flow logs and puts them into the snapshot.
func (in intake) learnByID(ctx context.Context, ids []string) error {
	found, err := inventory.ByID(ctx, in.store.scope, in.client, ids)
	if err != nil {
		return err
	}
	list := slices.SortedFunc(maps.Values(found), func(a, b inventory.FlowLog) int { return cmp.Compare(a.ID, b.ID) })
	_, err = in.store.applyFound(ctx, list, in.store.now())
	return err
}

func (in intake) noteCreator(ctx context.Context, ids []string, f detection.Finding) error {
	actor := f.Actor()
	err := in.store.update(ctx, func(tx scopeTx) error {
		return tx.changeCase(incident.Selection{IDs: ids}, func(c *incident.Case) error {
			for _, id := range ids {
				c.Rows().Created(id, incident.PrincipalOrName(&actor))
				if err := alertDecoyMade(tx, f, c, id); err != nil { // after Created: perhaps only this record shows that it is a decoy
					return err
				}
			}
			return nil
		})
	})
	if err != nil {
		return err
	}
	return in.notifier.notifyNews(ctx)
}
