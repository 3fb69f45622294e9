package remediate

import (
	"context"
	"fmt"
	"time"

	"flowkeeper/inventory"
	"flowkeeper/remediate/answer"
	"flowkeeper/remediate/incident"
)

const perObservation = 200 // resources in one call: the most values of one filter

// client calls EC2 in one scope. Its EC2 is nil where the scope is not configured.
type client struct {
	EC2
	scope inventory.Scope
	pace  *pace
	now   func() time.Time
}

// observe asks AWS what is on the resources.
func (c client) observe(ctx context.Context, resources []string) incident.Observation {
	o := incident.Observation{At: c.now(), Resources: map[string]bool{}}
	for _, id := range resources {
		o.Resources[id] = true
	}
	found, err := inventory.OnResources(ctx, c.scope, c, resources)
	c.recordThrottle(c.pace.describes, err)
	if err != nil {
		failure := answer.OfError(fmt.Errorf("observe %d resources in %s: %w", len(resources), c.scope, err))
		o.Failure = &failure
		return o
	}
	o.FlowLogs = found
	return o
}

// recordThrottle slows the calls of one action if the error, which may be nil, is AWS's refusal
// of one for its rate.
func (c client) recordThrottle(action *bucket, err error) {
	if answer.IsThrottle(err) {
		action.throttled(c.now())
	}
}
