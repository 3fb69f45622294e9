package daemon

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"flowkeeper/internal/fakeaws"
	"flowkeeper/internal/fakeaws/fakeawstest"
	"flowkeeper/remediate/rehearse"
)

// TestRehearsalsComeBack: the daemon rehearses on its schedule, CloudTrail records the dry run, and the record comes
// through the queue to the daemon.
func TestRehearsalsComeBack(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	h.plant(region, "vpc-1")
	h.daemon.Config.Rehearsal.Schedule, h.daemon.Config.HTTP.Listen = "@every 1s", "127.0.0.1:0"
	h.refreshed()
	h.await("a rehearsal to come back", func() bool {
		var health rehearse.PipelineHealth
		err := h.daemon.store.Pipelines().View(context.Background(), func(tx rehearse.PipelineTx) (err error) {
			health, err = tx.PipelineHealth(home)
			return err
		})
		return err == nil && !health.BackAt.IsZero()
	})
	if n := len(h.world.FlowLogs(account, region)); n != 1 {
		t.Errorf("%d flow logs after a rehearsal", n)
	}
	for _, line := range []string{`flowkeeper_flow_logs{state="live"} 1`, `flowkeeper_restorable{answer="yes"} 1`, `flowkeeper_restorable{answer="no"} 0`, `flowkeeper_flow_logs_released 0`, `flowkeeper_incidents{state="open"} 0`,
		`flowkeeper_alerts_pending{sink="pager"} 0`, `flowkeeper_alerts_parked{sink="log"} 0`, `flowkeeper_build_info{version="test"} 1`} {
		h.await(line, func() bool { // the record may come before the result of the rehearsal is stored
			code, body := h.get("/metrics")
			return code == http.StatusOK && strings.Contains(body, line+"\n")
		})
	}
}

// TestASlowRehearsalHoldsUpNoOther: a Region that does not answer is left out of further rounds until its rehearsal is
// over. All other Regions are rehearsed in each round. A round is one line of log.
func TestASlowRehearsalHoldsUpNoOther(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h, b := abroad(t)
		regions := []string{"xx-slow-1", region}
		for n := range 10 {
			regions = append(regions, fmt.Sprintf("eu-north-%d", n+1))
		}
		for n, r := range regions {
			h.plant(r, fmt.Sprintf("vpc-%d", n))
		}
		h.daemon.Config.Inventory.Regions, h.daemon.Config.Inventory.Schedule = regions, "@every 1h"
		h.daemon.Config.Rehearsal.Schedule = "@every 10s"
		var mu sync.Mutex
		tried := map[string]int{} // by Region
		h.world.Meet(func(q *fakeaws.Request) fakeawstest.Refusal {
			if q.Operation == "CreateFlowLogs" && q.Form.Get("DryRun") == "true" {
				mu.Lock()
				defer mu.Unlock()
				tried[q.Region]++
			}
			return fakeawstest.Refusal{}
		})
		h.refreshed()
		b.set(regions[0], "")
		time.Sleep(65 * time.Second)
		mu.Lock()
		defer mu.Unlock()
		for _, r := range regions[1:] {
			if tried[r] < 5 || tried[r] > 6 {
				t.Errorf("%s was rehearsed %d times in six rounds", r, tried[r])
			}
		}
		log := h.log.String()
		if n := strings.Count(log, `"msg":"rehearsed"`); n < 4 || n > 6 {
			t.Errorf("%d lines about rounds, want 4 to 6", n)
		}
		for _, line := range []string{`"scopes":12,"incomplete":1,"tried":11,"refused":0`, `"scopes":11,"incomplete":0,"tried":11,"refused":0`} {
			if !strings.Contains(log, line) {
				t.Errorf("no line says %s:\n%s", line, log)
			}
		}
	})
}
