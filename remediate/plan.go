package remediate

import (
	"context"

	"flowkeeper/remediate/incident"
)

// stepPlan has the incidents of a step, by what is to be done about each.
type stepPlan struct {
	lone    []incident.Incident // to be created, each by a call of its own
	shared  []incident.Incident // to be created by calls that Share plans
	tagging []incident.Incident // restored: the replacement is there, and lacks tags
	others  []incident.Incident // no call: only what was observed is stored. They are as they were when AWS was asked: see RecordObservation
}

// planStep decides what is to be done about incidents that were due, as the store has them now. It changes nothing,
// and leaves out incidents that can't be read.
func (r restorer) planStep(ctx context.Context, due []incident.Incident, shown map[string]incident.Observation) (all stepPlan, err error) {
	err = togetherOrAlone(due, func(due []incident.Incident) error {
		some, err := read(ctx, r.store, func(tx scopeTx) (stepPlan, error) { return planOf(tx, due, shown) })
		all.lone, all.shared = append(all.lone, some.lone...), append(all.shared, some.shared...)
		all.tagging, all.others = append(all.tagging, some.tagging...), append(all.others, some.others...)
		return err
	})
	return all, err
}

func planOf(tx scopeTx, due []incident.Incident, shown map[string]incident.Observation) (p stepPlan, err error) {
	c, err := tx.load(selection(due, shown))
	if err != nil {
		return p, err
	}
	for _, was := range due {
		switch i, step := c.StepFor(was.FlowLogID, shown[was.ResourceID]); step {
		case incident.StepTag:
			p.tagging = append(p.tagging, i)
		case incident.StepShare:
			p.shared = append(p.shared, i)
		case incident.StepCreate:
			p.lone = append(p.lone, i)
		default: // StepRecord
			p.others = append(p.others, was)
		}
	}
	return p, nil
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
