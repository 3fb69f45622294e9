package daemon

import (
	"context"
	"net/http"
	"strings"
	"testing"

	"flowkeeper/remediate/rehearse"
)

// TestRehearsalsComeBack: the daemon rehearses on its schedule, AWS records the
// dry run, and the record comes back through the queue.
func TestRehearsalsComeBack(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	h.plant(region, "vpc-1")
	h.daemon.Config.Rehearsal.Schedule, h.daemon.Config.HTTP.Listen = "@every 1s", "127.0.0.1:0"
	h.refreshed()
	h.await("a rehearsal to come back", func() bool {
		var w rehearse.PipelineHealth
		err := h.daemon.store.Rehearsals().View(context.Background(), func(tx rehearse.Tx) (err error) {
			w, err = tx.PipelineHealth(home)
			return err
		})
		return err == nil && !w.BackAt.IsZero()
	})
	if n := len(h.world.FlowLogs(account, region)); n != 1 {
		t.Errorf("%d flow logs after a rehearsal", n)
	}
	for _, line := range []string{`flowkeeper_flow_logs{state="live"} 1`, `flowkeeper_restorable{answer="yes"} 1`, `flowkeeper_restorable{answer="no"} 0`, `flowkeeper_flow_logs_released 0`, `flowkeeper_incidents{state="open"} 0`,
		`flowkeeper_alerts_pending{sink="pager"} 0`, `flowkeeper_alerts_parked{sink="log"} 0`, `flowkeeper_build_info{version="test"} 1`} {
		h.await(line, func() bool { // the record may come back before the verdict is written
			code, body := h.get("/metrics")
			return code == http.StatusOK && strings.Contains(body, line+"\n")
		})
	}
}
