package remediate

import (
	"context"
	"fmt"

	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"

	"flowkeeper/inventory"
)

// refresher brings the snapshot of one scope up to date with AWS.
type refresher struct {
	scopeParts
	api      inventory.Describer
	snapshot inventory.Snapshot
	parallel func(most int, tasks ...func() error) error
}

// announced calls asks before each call to AWS, and the function that asks returned after the call.
type announced struct {
	inventory.Describer
	asks func() (ended func(error))
}

// DescribeFlowLogs implements inventory.Describer.
func (a announced) DescribeFlowLogs(ctx context.Context, in *ec2.DescribeFlowLogsInput, opts ...func(*ec2.Options)) (out *ec2.DescribeFlowLogsOutput, err error) {
	ended := a.asks()
	defer func() { ended(err) }()
	return a.Describer.DescribeFlowLogs(ctx, in, opts...)
}

// refresh is [Remediator.Refresh].
func (r refresher) refresh(ctx context.Context) (inventory.Counts, error) {
	if !r.store.configured {
		return inventory.Counts{}, fmt.Errorf("%s is not a configured scope", r.store.scope)
	}
	if err := r.reconsider(ctx); err != nil {
		return inventory.Counts{}, err
	}
	counts, err := r.applyDiff(ctx, inventory.NewDiff(r.snapshot, r.store.scope, r.api, r.store.policy.ConsistencyWindow, r.store.now()))
	if err != nil {
		return counts, err
	}
	if err := r.store.relearn(ctx); err != nil {
		return counts, err
	}
	r.memory.wakeUp()
	return counts, nil
}

// applyDiff writes what AWS lists, one page while it asks for the next one, and then what
// is lost. Only a complete listing is recorded as a refresh (I5).
func (r refresher) applyDiff(ctx context.Context, d *inventory.Diff) (c inventory.Counts, err error) {
	page, more, err := d.Page(ctx)
	for err == nil && more {
		this := page
		err = r.parallel(2,
			func() error { return r.applyPage(ctx, d, this, &c) },
			func() (err error) { page, more, err = d.Page(ctx); return err })
	}
	if err == nil {
		err = r.applyPage(ctx, d, page, &c)
	}
	c.Listed = d.Listed
	for err == nil {
		var lost []inventory.Row
		if lost, more, err = d.Lost(ctx); err != nil || !more {
			break
		}
		if len(lost) > 0 {
			c.Lost += len(lost)
			err = r.recordDrift(ctx, lost, d.Started)
		}
	}
	if err != nil {
		return c, err
	}
	return c, r.snapshot.Refreshed(ctx, r.store.scope, d.Started, r.store.now())
}

func (r refresher) applyPage(ctx context.Context, d *inventory.Diff, page []types.FlowLog, c *inventory.Counts) error {
	changed, err := d.Changed(ctx, page)
	if err != nil || len(changed) == 0 {
		return err
	}
	added, err := r.store.applyFound(ctx, changed, r.store.now())
	c.New += added
	c.Changed += len(changed) - added
	return err
}
