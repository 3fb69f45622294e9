package remediate

import (
	"context"
	"errors"

	"flowkeeper/inventory"
)

// KeepObservation observes a resource for the restorer. RecordFindings does so by itself, but only if the call
// ends before the commit of the message: a test can't rely on that.
func (r *Remediator) KeepObservation(ctx context.Context, s inventory.Scope, resource string) error {
	parts := r.parts(s)
	o := parts.client.observe(ctx, []string{resource})
	parts.memory.keepObservation(o)
	if o.Failure != nil {
		return errors.New(o.Failure.Message)
	}
	return nil
}

// DescribesLeft is how many DescribeFlowLogs calls the pace of a scope allows now.
func (r *Remediator) DescribesLeft(s inventory.Scope) int {
	return r.memory(s).pace.describes.available(r.Now())
}
