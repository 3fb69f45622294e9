package remediate

import (
	"context"
	"slices"

	"flowkeeper/internal/detection"
	"flowkeeper/inventory"
	"flowkeeper/remediate/incident"
)

// learnCreated puts new flow logs into the snapshot at once, so that one deleted
// before the next refresh is known. It may fail, or go without where the
// scope's pace is used up: a refresh makes it sure.
func (r *Remediator) learnCreated(ctx context.Context, s inventory.Scope, fs []detection.Finding) {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	for _, f := range fs {
		if f.Kind != detection.Created {
			continue
		}
		for ids := range slices.Chunk(f.Record.CreatedIDs, perObservation) {
			if !r.scope(s).pace.allowBesideRestores(r.Now()) {
				r.RefreshSoon(s, false)
				return
			}
			r.noteCreator(ctx, s, ids, f)
		}
	}
}

func (r *Remediator) noteCreator(ctx context.Context, s inventory.Scope, ids []string, f detection.Finding) {
	actor := f.Actor()
	if err := r.learnByID(ctx, s, ids); err != nil {
		r.Log.Warn("could not describe new flow logs; the next refresh will", "account", s.Account, "region", s.Region, "error", err)
	}
	err := r.Store.Update(ctx, func(tx Tx) error {
		c, err := r.load(tx, s, incident.Selection{IDs: ids}, r.Now())
		if err != nil {
			return err
		}
		for _, id := range ids {
			if err := r.alertDecoyMade(tx, f, c, id); err != nil {
				return err
			}
			c.Created(id, incident.PrincipalOrName(&actor))
		}
		return r.save(tx, c)
	})
	if err == nil {
		err = r.notifyNews(ctx, s)
	}
	if err != nil {
		r.Log.Warn("could not note who created flow logs", "error", err)
	}
}
