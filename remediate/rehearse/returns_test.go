package rehearse

import (
	"context"
	"testing"

	"flowkeeper/internal/detection"
	"flowkeeper/inventory"
)

// healthOnly is a store of which a record that comes back may ask nothing but the health of the pipeline: any
// other method panics.
type healthOnly struct {
	Tx
	asked int
}

func (h *healthOnly) Update(_ context.Context, fn func(Tx) error) error { return fn(h) }
func (h *healthOnly) View(_ context.Context, fn func(Tx) error) error   { return fn(h) }

func (h *healthOnly) PipelineHealth(inventory.Scope) (PipelineHealth, error) {
	h.asked++
	return PipelineHealth{Instance: "x"}, nil
}

// TestAStrangersDryRunReadsOneRow: whoever may call EC2 can repeat dry runs with a token like ours. They must not
// read all rehearsals of a scope, one after the other, while deletions wait for the commit.
func TestAStrangersDryRunReadsOneRow(t *testing.T) {
	t.Parallel()
	store := &healthOnly{}
	r := &Rehearser{Store: store}
	var f detection.Finding
	f.Record.ClientToken, f.Record.Identity.ARN = "flowkeeper-rehearsal-x", "arn:aws:iam::111122223333:user/mallory"
	if err := r.Returned(t.Context(), inventory.Scope{Account: "111122223333", Region: "eu-west-1"}, f); err != nil || store.asked != 1 {
		t.Errorf("%v, asked %d times", err, store.asked)
	}
}
