package remediate

import (
	"context"
	"maps"
	"slices"

	"flowkeeper/internal/detection"
	"flowkeeper/remediate/incident"
)

// observeNamed observes the resources of the flow logs named, for the restorer. It does not
// where one call can't show all of them, or when the scope's pace is used up; then, and
// where it fails, the restorer observes for itself.
func (in intake) observeNamed(ctx context.Context, fs []detection.Finding) {
	ctx, cancel := context.WithTimeout(ctx, observationFresh) // it would not count any more
	defer cancel()
	resources, err := read(ctx, in.store, func(tx scopeTx) ([]string, error) { return resourcesOf(tx, fs) })
	if n := len(resources); err != nil || n == 0 || n > perObservation {
		return
	}
	if !in.client.pace.describes.allowBesideRestores(in.store.now()) {
		return
	}
	if o, err := in.client.observe(ctx, resources); err == nil {
		in.memory.keepObservation(o)
	}
}

// resourcesOf are the resources of the flow logs that findings name: not of those that the
// snapshot does not know, and none for a repeated record.
func resourcesOf(tx scopeTx, fs []detection.Finding) ([]string, error) {
	resources := map[string]bool{}
	for _, f := range fs {
		rows, err := tx.Names(tx.scope, f.Deleted)
		if err != nil {
			return nil, err
		}
		actor := f.Actor()
		for id, row := range rows {
			if !row.Protected || row.Imported {
				continue
			}
			done, err := tx.Recorded(tx.scope, id, f.Record.EventID, incident.ClaimOf(&actor, f.Record.EventTime))
			if err != nil {
				return nil, err
			}
			if !done {
				resources[row.ResourceID] = true
			}
		}
	}
	return slices.Sorted(maps.Keys(resources)), nil
}
