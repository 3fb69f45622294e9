package remediate

import (
	"context"
	"errors"
	"slices"
	"sync"

	"flowkeeper/remediate/incident"
)

// observe asks AWS what is on the resources of the incidents, in shared calls. It does not ask about a
// resource of which an intake has just made an observation. It returns observations by resource.
func (r restorer) observe(ctx context.Context, due []incident.Incident, keepAlive func()) map[string]incident.Observation {
	out := map[string]incident.Observation{}
	var ask []string
	for _, i := range due {
		if _, done := out[i.ResourceID]; done || i.ResourceID == "" {
			continue
		}
		kept, ok := r.memory.freshObservation(i.ResourceID, i.OpenedAt, r.store.now())
		if ok && incident.TakesKept(i) {
			out[i.ResourceID] = kept
			continue
		}
		out[i.ResourceID] = incident.Observation{}
		ask = append(ask, i.ResourceID)
	}
	var tasks []func() error
	var mu sync.Mutex // guards out
	for ids := range slices.Chunk(ask, perObservation) {
		tasks = append(tasks, func() error {
			defer keepAlive()
			r.client.pace.describes.reserve(r.store.now())
			o := r.client.observe(ctx, ids)
			mu.Lock()
			defer mu.Unlock()
			for _, id := range ids {
				out[id] = o
			}
			return nil
		})
	}
	_ = r.parallel(callsAtOnce, tasks...) // each resource has its own error
	return out
}

// selection selects the flow logs of incidents, and those that were observed on the same resources.
func selection(incidents []incident.Incident, shown map[string]incident.Observation) (of incident.Selection) {
	done := map[string]bool{}
	for _, i := range incidents {
		of.IDs = append(of.IDs, i.FlowLogID)
		if !done[i.ResourceID] {
			done[i.ResourceID] = true
			of.IDs = append(of.IDs, shown[i.ResourceID].On(i.ResourceID)...)
		}
	}
	return of
}

// saveObserved stores what was observed of incidents that get no create now, in one commit if
// possible.
func (r restorer) saveObserved(ctx context.Context, incidents []incident.Incident, shown map[string]incident.Observation) error {
	if ctx.Err() != nil { // stopping: the next start observes again
		incidents = slices.DeleteFunc(incidents, func(i incident.Incident) bool { return shown[i.ResourceID].Failure != nil && !i.Terminal() })
	}
	return togetherOrAlone(incidents, func(incidents []incident.Incident) error {
		return r.change(ctx, idsOf(incidents), selection(incidents, shown), func(c *incident.Case) {
			for _, i := range incidents {
				o, jitter := shown[i.ResourceID], 0.0
				if o.Failure != nil && !i.Terminal() {
					jitter = r.jitter()
				}
				c.RecordObservation(i, o, jitter)
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
