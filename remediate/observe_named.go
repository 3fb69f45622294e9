package remediate

import (
	"context"
	"maps"
	"slices"

	"flowkeeper/internal/detection"
	"flowkeeper/remediate/incident"
)

// observeNamed observes the resources of the flow logs that findings name, and keeps the
// observation for the restorer. It does not observe if one call can't show all of them, or if the
// scope's pace is used up. Then, and if the call fails, the restorer observes by itself.
func (in intake) observeNamed(ctx context.Context, fs []detection.Finding) {
	ctx, cancel := context.WithTimeout(ctx, observationFresh) // later, the observation would not count
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

// resourcesOf are the resources of the protected flow logs that findings name. A repeated record
// adds none. Resources of imported flow logs are among them, though nothing needs their observation.
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
