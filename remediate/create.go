package remediate

import (
	"context"

	"github.com/aws/aws-sdk-go-v2/service/ec2"

	"flowkeeper/remediate/answer"
	"flowkeeper/remediate/incident"
)

// create calls CreateFlowLogs once and records the answer. The same incident
// always makes the same call (I4), so a crash before the commit costs nothing.
func (r restorer) create(ctx context.Context, i incident.Incident) error {
	if !r.client.pace.allow(r.store.now()) {
		return nil // AWS throttles: it stays due
	}
	call, cancel := context.WithTimeout(context.WithoutCancel(ctx), callTimeout) // a step in hand ends (I10)
	defer cancel()
	out, err := r.client.CreateFlowLogs(call, incident.CreateInput(i), oneAttempt)
	a := answer.OfCreate(out, err)
	if err != nil {
		r.client.recordThrottle(err)
	}
	var after observed
	if a.Class == incident.AlreadyThere || a.Class == incident.TokenMismatch {
		after.Observation, after.err = r.client.observe(call, []string{i.ResourceID})
	}
	of := selection([]incident.Incident{i}, map[string]observed{i.ResourceID: after})
	if a.ID != "" {
		of.IDs = append(of.IDs, a.ID)
	}
	return r.change(context.WithoutCancel(ctx), []string{i.FlowLogID}, of, func(c *incident.Case) {
		switch {
		case after.err != nil:
			c.ApplyFailure(i.FlowLogID, answer.OfError(after.err), r.jitter())
		case a.Fails():
			c.ApplyAnswer(i.FlowLogID, a, after.Observation, r.jitter())
		default:
			c.ApplyAnswer(i.FlowLogID, a, after.Observation, 0)
		}
	})
}

// oneAttempt leaves retries to the state file (docs/decisions/retries.md).
func oneAttempt(o *ec2.Options) { o.RetryMaxAttempts = 1 }
