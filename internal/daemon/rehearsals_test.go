package daemon

import (
	"context"
	"testing"

	"flowkeeper/inventory"
	"flowkeeper/remediate"
)

// TestRehearsalsComeBack: the daemon rehearses on its schedule, AWS records the
// dry run, and the record comes back through the queue.
func TestRehearsalsComeBack(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	h.plant(region, "vpc-1")
	h.daemon.Config.Rehearsal.Schedule = "@every 1s"
	h.refreshed()
	h.await("a rehearsal to come back", func() bool {
		var w remediate.Way
		err := h.daemon.store.View(context.Background(), func(tx remediate.Tx) (err error) {
			w, err = tx.Way(inventory.Scope{Account: account, Region: region})
			return err
		})
		return err == nil && !w.BackAt.IsZero()
	})
	if n := len(h.world.FlowLogs(account, region)); n != 1 {
		t.Errorf("%d flow logs after a rehearsal", n)
	}
}
