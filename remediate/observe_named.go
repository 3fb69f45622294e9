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
	if !in.client.pace.describes.allowSpare(in.store.now()) {
		return
	}
	if o := in.client.observe(ctx, resources); o.Failure == nil {
		in.memory.keepObservation(o)
	}
}

// resourcesOf are the resources of the protected flow logs that findings name; none for a repeated
// record. An imported flow log is asked about in vain.
func resourcesOf(tx scopeTx, fs []detection.Finding) ([]string, error) {
	resources := map[string]bool{}
	for _, f := range fs {
		if len(f.Deleted) == 0 {
			continue
		}
		actor := f.Actor()
		named, err := tx.Unrecorded(tx.scope, f.Deleted, f.Record.EventID, incident.ClaimOf(&actor, f.Record.EventTime))
		if err != nil {
			return nil, err
		}
		for _, resource := range named {
			resources[resource] = true
		}
	}
	delete(resources, "")
	return slices.Sorted(maps.Keys(resources)), nil
}
