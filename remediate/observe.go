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

// split has the incidents of a step, by what is to be done about each.
type split struct {
	lone    []incident.Incident // to be created, each by a call of its own
	shared  []incident.Incident // to be created by calls that Share plans
	tagging []incident.Incident // restored: the replacement is there, and lacks tags
	others  []incident.Incident // no call: only what was observed is stored. They are as they were when AWS was asked: see ApplyStep
}

// split decides what is to be done about incidents that were due, as the store has them now. It changes nothing,
// and leaves out incidents that can't be read.
func (r restorer) split(ctx context.Context, due []incident.Incident, shown map[string]incident.Observation) (all split, err error) {
	err = togetherOrAlone(due, func(due []incident.Incident) error {
		some, err := read(ctx, r.store, func(tx scopeTx) (split, error) { return splitOf(tx, due, shown) })
		all.lone, all.shared = append(all.lone, some.lone...), append(all.shared, some.shared...)
		all.tagging, all.others = append(all.tagging, some.tagging...), append(all.others, some.others...)
		return err
	})
	return all, err
}

func splitOf(tx scopeTx, due []incident.Incident, shown map[string]incident.Observation) (s split, err error) {
	c, err := tx.load(selection(due, shown))
	if err != nil {
		return s, err
	}
	for _, was := range due {
		switch i, step := incident.StepFor(c, was.FlowLogID, shown[was.ResourceID]); step {
		case incident.StepTag:
			s.tagging = append(s.tagging, i)
		case incident.StepShare:
			s.shared = append(s.shared, i)
		case incident.StepCreate:
			s.lone = append(s.lone, i)
		default: // StepRecord
			s.others = append(s.others, was)
		}
	}
	return s, nil
}

// share plans the calls for incidents whose creates may share a call. It stores which call will be
// sent for each incident, before the call is sent (I4).
func (r restorer) share(ctx context.Context, incidents []incident.Incident, shown map[string]incident.Observation) (calls []incident.Creation, err error) {
	if len(incidents) == 0 {
		return nil, nil
	}
	now := r.store.now()
	most := r.client.pace.creates.available(now)
	if most == 0 {
		return nil, nil
	}
	err = r.change(ctx, idsOf(incidents), selection(incidents, shown), func(c *incident.Case) {
		calls = c.Sharing().Share(idsOf(incidents), func(i incident.Incident) incident.Observation { return shown[i.ResourceID] }, most)
	})
	if err != nil {
		return nil, err // no call is sent that may not be on disk
	}
	for range calls {
		r.client.pace.creates.reserve(now) // each stored call takes its token before it is sent
	}
	return calls, nil
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
				incident.ApplyStep(c, i, o, jitter)
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
