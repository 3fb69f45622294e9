package remediate

import (
	"context"
	"errors"
	"slices"

	"flowkeeper/inventory"
	"flowkeeper/remediate/answer"
	"flowkeeper/remediate/incident"
)

// observed is an observation for one incident, or why there is none.
type observed struct {
	incident.Observation
	err error
}

// observe asks AWS what is on the resources of the incidents, in shared calls, and takes
// observations made beside a commit where they are fresh.
func (r *Remediator) observe(ctx context.Context, s inventory.Scope, api EC2, due []incident.Incident) map[string]observed {
	out := map[string]observed{}
	var ask []string
	st := r.scope(s)
	for _, i := range due {
		if i.ResourceID == "" {
			continue
		}
		if _, done := out[i.ResourceID]; done {
			continue
		}
		if l, ok := st.takeObservation(i.ResourceID, i.OpenedAt, r.Now()); ok && i.Looks == 0 && i.State == incident.Open {
			out[i.ResourceID] = observed{Observation: l}
			continue
		}
		out[i.ResourceID] = observed{}
		ask = append(ask, i.ResourceID)
	}
	for ids := range slices.Chunk(ask, perObservation) {
		st.pace.reserve(r.Now())
		l, err := r.observeResources(ctx, s, api, ids)
		for _, id := range ids {
			out[id] = observed{l, err}
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
// others. It changes nothing. Where they can't be read together, each is read alone: one
// that can't be read holds no other back, and is left out.
func (r *Remediator) splitCreates(ctx context.Context, s inventory.Scope, due []incident.Incident, shown map[string]observed) (creates, others []incident.Incident, err error) {
	creates, others, err = r.splitTogether(ctx, s, due, shown)
	if err == nil || len(due) < 2 {
		return creates, others, err
	}
	var errs []error
	creates, others = nil, nil
	for _, i := range due {
		c, o, err := r.splitTogether(ctx, s, []incident.Incident{i}, shown)
		creates, others, errs = append(creates, c...), append(others, o...), append(errs, err)
	}
	return creates, others, errors.Join(errs...)
}

func (r *Remediator) splitTogether(ctx context.Context, s inventory.Scope, due []incident.Incident, shown map[string]observed) (creates, others []incident.Incident, err error) {
	err = r.Store.View(ctx, func(tx Tx) error {
		creates, others = nil, nil
		c, err := r.load(tx, s, selection(due, shown), r.Now())
		if err != nil {
			return err
		}
		for _, i := range due {
			o := shown[i.ResourceID]
			now, _ := c.Incident(i.FlowLogID)
			if now.Pending() && o.err == nil && c.Decide(now, o.Observation).Next == incident.Create {
				creates = append(creates, now)
			} else {
				others = append(others, i)
			}
		}
		return nil
	})
	return creates, others, err
}

// record records what was observed of incidents for which no create is called for, in one
// commit; each in a commit of its own where that fails, so that one holds no other back.
func (r *Remediator) record(ctx context.Context, s inventory.Scope, incidents []incident.Incident, shown map[string]observed) error {
	if ctx.Err() != nil { // stopping: the next start observes again
		incidents = slices.DeleteFunc(incidents, func(i incident.Incident) bool { return shown[i.ResourceID].err != nil && !i.Terminal() })
	}
	err := r.recordTogether(ctx, s, incidents, shown)
	if err == nil || len(incidents) < 2 {
		return err
	}
	var errs []error
	for _, i := range incidents {
		errs = append(errs, r.recordTogether(ctx, s, []incident.Incident{i}, shown))
	}
	return errors.Join(errs...)
}

func (r *Remediator) recordTogether(ctx context.Context, s inventory.Scope, incidents []incident.Incident, shown map[string]observed) error {
	return r.update(ctx, s, idsOf(incidents), selection(incidents, shown), func(c *incident.Case) {
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
}

func idsOf(incidents []incident.Incident) (ids []string) {
	for _, i := range incidents {
		ids = append(ids, i.FlowLogID)
	}
	return ids
}
