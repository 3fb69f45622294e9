package daemon

import (
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"flowkeeper/alert"
	"flowkeeper/configs"
	"flowkeeper/inventory"
)

// TestARefreshThatHasEndedDoesNotHang: a refresh may end just when slotPatience is over. It
// must not be marked as hanging then: such a scope would not count as refreshed until its next
// refresh.
func TestARefreshThatHasEndedDoesNotHang(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := inventory.Scope{Account: "111122223333", Region: "eu-west-1"}
		r := &refreshes{scopes: map[inventory.Scope]*scopeRefreshes{}}
		st, left := r.state(s), 0
		end := r.watch(s, func() { left++ })
		r.mu.Lock()
		time.Sleep(slotPatience) // the timer fires, and waits for mu
		st.timer = nil           // as end does
		r.mu.Unlock()
		end()
		synctest.Wait()
		if st.hangs {
			t.Error("it hangs, and has ended")
		}
		left = 0
		end = r.watch(s, func() { left++ })
		time.Sleep(slotPatience)
		synctest.Wait()
		if !st.hangs || left != 1 {
			t.Error("one without an answer does not hang, or keeps its slot")
		}
		end()
	})
}

// TestOneScopeFails: the failure is alerted once, and the other scope is refreshed.
func TestOneScopeFails(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	const other = "222233334444"
	h.daemon.Config.Accounts = []configs.Account{{ID: account}, {ID: other, RoleARN: "arn:aws:iam::" + other + ":role/missing"}}
	id := h.plant(region, "vpc-1")
	h.run()
	scope := home
	h.await("the refresh of the healthy scope", func() bool {
		return h.daemon.connected.Load() && h.scopeDone(scope)
	})
	h.await("an alert of the broken one", func() bool { return len(h.pager.of(alert.Pipeline)) > 0 })
	h.strike(id)
	h.awaitBack(region, "vpc-1")
	h.await("three more refreshes", func() bool { return h.failures(inventory.Scope{Account: other, Region: region}) > 3 })
	if a := h.pager.of(alert.Pipeline); len(a) != 1 || a[0].Account != other || !strings.Contains(a[0].Cause, "AssumeRole") {
		t.Errorf("%d alerts: %+v", len(a), a)
	}
	if n := strings.Count(h.log.String(), "refresh failed"); n != 1 {
		t.Errorf("logged %d times", n)
	}
}

// TestARefreshThatAWSAnswersWithAnError: what AWS refuses is tried again soon, however slow
// the schedule; a passing fault of one page costs nothing.
func TestARefreshThatAWSAnswersWithAnError(t *testing.T) {
	t.Parallel()
	for code, c := range map[string]struct {
		status int
		fails  bool
	}{
		"UnauthorizedOperation": {http.StatusForbidden, true},
		"InternalError":         {http.StatusInternalServerError, false},
	} {
		t.Run(code, func(t *testing.T) {
			t.Parallel()
			h := newHouse(t)
			h.daemon.Config.Inventory.Schedule = "@every 24h"
			h.plant(region, "vpc-1")
			h.world.Fail("DescribeFlowLogs", 1, code, c.status)
			h.refreshed()
			if failed := strings.Contains(h.log.String(), "refresh failed"); failed != c.fails {
				t.Errorf("failed: %v, the log:\n%s", failed, h.log)
			}
		})
	}
}
