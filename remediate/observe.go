package remediate

import (
	"context"
	"errors"
	"slices"

	"flowkeeper/remediate/answer"
	"flowkeeper/remediate/incident"
)

// observed is an observation for one incident, or why there is none.
type observed struct {
	incident.Observation
	err error
}

// observe asks AWS what is on the resources of the incidents, in shared calls, and takes
// observations made beside a commit where they are fresh. They are by resource.
func (r restorer) observe(ctx context.Context, due []incident.Incident) map[string]observed {
	out := map[string]observed{}
	var ask []string
	for _, i := range due {
		if _, done := out[i.ResourceID]; done || i.ResourceID == "" {
			continue
		}
		kept, ok := r.memory.freshObservation(i.ResourceID, i.OpenedAt, r.store.now())
		if isNew := i.State == incident.Open && i.TimesAlive == 0; ok && isNew {
			out[i.ResourceID] = observed{Observation: kept}
			continue
		}
		out[i.ResourceID] = observed{}
		ask = append(ask, i.ResourceID)
	}
	for ids := range slices.Chunk(ask, perObservation) {
		r.client.pace.reserve(r.store.now())
		o, err := r.client.observe(ctx, ids)
		for _, id := range ids {
			out[id] = observed{o, err}
		}
	}
	return out
}

// on are the IDs of the flow logs that an observation shows on a resource.
func (o observed) on(resource string) (ids []string) {
	for id, f := range o.FlowLogs {
		if f.ResourceID == resource {
			ids = append(ids, id)
		}
	}
	return ids
}

// selection are the flow logs of incidents, and those that were observed beside them.
func selection(incidents []incident.Incident, shown map[string]observed) (of incident.Selection) {
	done := map[string]bool{}
	for _, i := range incidents {
		of.IDs = append(of.IDs, i.FlowLogID)
		if !done[i.ResourceID] {
			done[i.ResourceID] = true
			of.IDs = append(of.IDs, shown[i.ResourceID].on(i.ResourceID)...)
		}
	}
	return of
}

// splitCreates separates the incidents that a create is called for, as they now are, from the
// others. It changes nothing. One that can't be read is left out.
func (r restorer) splitCreates(ctx context.Context, due []incident.Incident, shown map[string]observed) (creates, others []incident.Incident, err error) {
	err = togetherOrAlone(due, func(due []incident.Incident) error {
		var c, o []incident.Incident
		err := r.store.view(ctx, func(tx scopeTx) (err error) { c, o, err = splitCreates(tx, due, shown); return err })
		creates, others = append(creates, c...), append(others, o...)
		return err
	})
	return creates, others, err
}

func splitCreates(tx scopeTx, due []incident.Incident, shown map[string]observed) (creates, others []incident.Incident, err error) {
	c, err := tx.load(selection(due, shown))
	if err != nil {
		return nil, nil, err
	}
	for _, i := range due {
		now, _ := c.Incident(i.FlowLogID)
		o := shown[i.ResourceID]
		if decidable := now.Pending() && o.err == nil; decidable && c.Decide(now, o.Observation).Next == incident.Create {
			creates = append(creates, now)
		} else {
			others = append(others, i)
		}
	}
	return creates, others, nil
}

// record records what was observed of incidents for which no create is called for, in one
// commit if that is possible.
func (r restorer) record(ctx context.Context, incidents []incident.Incident, shown map[string]observed) error {
	if ctx.Err() != nil { // stopping: the next start observes again
		incidents = slices.DeleteFunc(incidents, func(i incident.Incident) bool { return shown[i.ResourceID].err != nil && !i.Terminal() })
	}
	return togetherOrAlone(incidents, func(incidents []incident.Incident) error {
		return r.change(ctx, idsOf(incidents), selection(incidents, shown), func(c *incident.Case) {
			for _, i := range incidents {
				switch o := shown[i.ResourceID]; {
				case i.Terminal():
					c.Finish(i.FlowLogID)
				case o.err != nil:
					c.ApplyFailure(i.FlowLogID, answer.OfError(o.err), r.jitter())
				case i.State == incident.Restored:
					c.Verify(i.FlowLogID, o.Observation)
				default:
					c.ApplyObservation(i.FlowLogID, o.Observation)
				}
			}
		})
	})
}

// togetherOrAlone calls fn with all of the incidents, and if that fails with each alone, so
// that one that can't be read or written holds no other back.
func togetherOrAlone(incidents []incident.Incident, fn func([]incident.Incident) error) error {
	err := fn(incidents)
	if err == nil || len(incidents) < 2 {
		return err
	}
	var errs []error
	for i := range slices.Chunk(incidents, 1) {
		errs = append(errs, fn(i))
	}
	return errors.Join(errs...)
}
