package rehearse

import (
	"context"
	"testing"

	"flowkeeper/internal/detection"
	"flowkeeper/inventory"
)

// untouched is a store of rehearsals whose methods all panic: the test must not call any.
type untouched struct{ Store }

// asked is a store of pipeline health that counts how often it is read. Writing to it panics.
type asked struct {
	PipelineTx
	times int
}

func (a *asked) Update(_ context.Context, fn func(PipelineTx) error) error { return fn(a) }
func (a *asked) View(_ context.Context, fn func(PipelineTx) error) error   { return fn(a) }

func (a *asked) PipelineHealth(inventory.Scope) (PipelineHealth, error) {
	a.times++
	return PipelineHealth{Instance: "x"}, nil
}

// TestAStrangersDryRunReadsOneRow: any principal that may call EC2 can repeat dry runs with a token like ours.
// Each of them must not read all rehearsals of a scope, while deletions wait for the commit.
func TestAStrangersDryRunReadsOneRow(t *testing.T) {
	t.Parallel()
	pipelines := &asked{}
	r := &Rehearser{Store: untouched{}, Pipelines: pipelines}
	var f detection.Finding
	f.Record.ClientToken, f.Record.Identity.ARN = "flowkeeper-rehearsal-x", "arn:aws:iam::111122223333:user/mallory"
	if err := r.Returned(t.Context(), inventory.Scope{Account: "111122223333", Region: "eu-west-1"}, f); err != nil || pipelines.times != 1 {
		t.Errorf("%v, the pipeline health was read %d times, want once", err, pipelines.times)
	}
}
