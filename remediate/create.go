package remediate

import (
	"context"
	"slices"

	"github.com/aws/aws-sdk-go-v2/service/ec2"

	"flowkeeper/inventory"
	"flowkeeper/remediate/answer"
	"flowkeeper/remediate/incident"
)

// create calls CreateFlowLogs once for one incident and records the answer. The same
// incident always makes the same call (I4), so after a crash before the commit it is only repeated.
func (r restorer) create(ctx context.Context, i incident.Incident) (done bool, err error) {
	if !r.client.pace.creates.allow(r.store.now()) {
		return false, nil // the pace allows no call now: the incident stays due
	}
	return true, r.createOne(ctx, i)
}

// createOne is create once the pace allows it.
func (r restorer) createOne(ctx context.Context, i incident.Incident) error {
	call, cancel := context.WithTimeout(context.WithoutCancel(ctx), answer.Timeout) // the current step is finished (I10)
	defer cancel()
	out, err := r.client.CreateFlowLogs(call, incident.CreateInput(i, r.store.policy.TokenKey.Token(i)), answer.OneAttempt)
	a := answer.OfCreate(out, err)
	r.client.recordThrottle(r.client.pace.creates, err)
	var after incident.Observation
	if a.AsksToObserve() { // without a token of the pace: with many decoys, first attempts would wait for tokens
		after = r.client.observe(call, []string{i.ResourceID})
	}
	of := selection([]incident.Incident{i}, map[string]incident.Observation{i.ResourceID: after})
	if a.ID != "" {
		of.IDs = append(of.IDs, a.ID)
	}
	return r.change(context.WithoutCancel(ctx), []string{i.FlowLogID}, of, func(c *incident.Case) {
		jitter := 0.0
		if a.Fails(after) {
			jitter = r.jitter()
		}
		c.ApplyAnswer(i.FlowLogID, a, after, jitter)
	})
}

// createTogether calls CreateFlowLogs once for several incidents, whose call Share has noted,
// and records the answer.
func (r restorer) createTogether(ctx context.Context, g incident.Creation) error {
	if len(g.Incidents) == 1 {
		return r.createOne(ctx, g.Incidents[0])
	}
	call, cancel := context.WithTimeout(context.WithoutCancel(ctx), answer.Timeout) // the current step is finished (I10)
	defer cancel()
	out, err := r.client.CreateFlowLogs(call, g.Input(), answer.OneAttempt)
	a, ids := answer.OfCreation(out, err)
	r.client.recordThrottle(r.client.pace.creates, err)
	a.Made = r.made(call, ids)
	of := incident.Selection{IDs: idsOf(g.Incidents)}
	for _, f := range a.Made {
		of.IDs = append(of.IDs, f.ID)
	}
	return r.change(context.WithoutCancel(ctx), idsOf(g.Incidents), of, func(c *incident.Case) { c.Sharing().ApplyCreation(g, a, r.jitter()) })
}

// made are the flow logs whose IDs a create answered, by resource, as far as AWS shows them
// already. A later step finds the others.
func (r restorer) made(ctx context.Context, ids []string) map[string]inventory.FlowLog {
	out := map[string]inventory.FlowLog{}
	for some := range slices.Chunk(ids, perObservation) {
		r.client.pace.describes.reserve(r.store.now())
		found, err := inventory.ByID(ctx, r.store.scope, r.client, some)
		r.client.recordThrottle(r.client.pace.describes, err)
		for _, f := range found { // none after an error
			out[f.ResourceID] = f
		}
	}
	return out
}

// tag calls CreateTags once for restored incidents that lack the same tags, and records the
// answer.
func (r restorer) tag(ctx context.Context, incidents []incident.Incident) (done bool, err error) {
	if !r.client.pace.tags.allow(r.store.now()) {
		return false, nil // the pace allows no call now: the incidents stay due
	}
	call, cancel := context.WithTimeout(context.WithoutCancel(ctx), answer.Timeout)
	defer cancel()
	in := &ec2.CreateTagsInput{Tags: incident.Tags(incidents[0].MissingTags)}
	of := incident.Selection{IDs: idsOf(incidents)}
	for _, i := range incidents {
		in.Resources = append(in.Resources, i.NewID)
	}
	of.IDs = append(of.IDs, in.Resources...)
	_, err = r.client.CreateTags(call, in, answer.OneAttempt)
	r.client.recordThrottle(r.client.pace.tags, err)
	a := answer.OfTags(err)
	return true, r.change(context.WithoutCancel(ctx), idsOf(incidents), of, func(c *incident.Case) { c.Sharing().ApplyTags(incidents, a, r.jitter()) })
}
