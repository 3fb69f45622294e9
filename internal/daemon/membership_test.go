package daemon

import (
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"flowkeeper/alert"
	"flowkeeper/configs"
	"flowkeeper/internal/fakeaws"
	"flowkeeper/internal/fakeaws/fakeawstest"
	"flowkeeper/inventory"
)

const (
	payments = "222233334444"
	sandbox  = "333344445555"

	refreshEvery = 5 * time.Minute // in an organized house
)

// organized is a house in the management account of an organisation, which has no other account
// yet.
func organized(t *testing.T) *house {
	h := newHouse(t)
	h.world.AddOrganization(account, "management")
	h.world.AddRole(roleIn(account), "")
	h.daemon.Config.Organization = configs.Organization{RoleName: "flowkeeper", Schedule: "@every 10m"}
	h.daemon.Config.Inventory.Regions = []string{region}
	h.daemon.Config.Inventory.Schedule = "@every " + refreshEvery.String()
	h.daemon.Config.Queue.WaitTime = 20 * time.Second
	return h
}

func roleIn(account string) string { return "arn:aws:iam::" + account + ":role/flowkeeper" }

// join has an account with the role join the organisation, and the daemon list it.
func (h *house) join(id, name string) {
	h.world.AddRole(roleIn(id), "")
	h.world.AddAccount(fakeawstest.Root, id, name)
	h.list()
}

// list has the daemon list the accounts, and waits until that is over.
func (h *house) list() {
	h.t.Helper()
	if !h.daemon.connected.Load() {
		return
	}
	m := h.daemon.membership
	m.mu.Lock()
	over := m.over
	m.mu.Unlock()
	m.soon()
	select {
	case <-over:
	case <-time.After(patience):
		h.t.Fatal("the accounts are not listed")
	}
}

// plantIn makes a flow log in an account.
func (h *house) plantIn(account, vpc string) string {
	return h.world.Plant(account, region, fakeaws.FlowLog{ResourceID: vpc, TrafficType: "ALL", LogDestinationType: "s3", LogDestination: bucket,
		LogFormat: "${version}", MaxAggregationInterval: 60, FileFormat: "parquet", Tags: map[string]string{"Name": vpc}})
}

func (h *house) isIn(account string) bool { return slices.Contains(h.daemon.fleet.Accounts(), account) }

// awaitProtected waits until an account's one scope is refreshed.
func (h *house) awaitProtected(account string) {
	h.t.Helper()
	h.await(account+" to be protected", func() bool { return h.isIn(account) && h.scopeDone(inventory.Scope{Account: account, Region: region}) })
}

// awaitGone waits until an account is not in the fleet, and nothing of it runs any more.
func (h *house) awaitGone(account string) {
	h.t.Helper()
	h.await(account+" to be left alone", func() bool {
		l := h.daemon.loopsOf
		l.mu.Lock()
		defer l.mu.Unlock()
		return !h.isIn(account) && l.running[inventory.Scope{Account: account, Region: region}] == nil
	})
}

func (h *house) countIn(account string) int { return len(h.world.FlowLogs(account, region)) }

// vanish removes every flow log of an account without a record.
func (h *house) vanish(account string) {
	h.t.Helper()
	for _, f := range h.world.FlowLogs(account, region) {
		if !h.world.Remove(account, region, f.ID) {
			h.t.Fatal("not there")
		}
	}
}

// pipelineAlerts are the alerts about accounts: level, account, and whether it is an end.
func (h *house) accountAlerts() (out []string) {
	for _, a := range h.pager.of(alert.Pipeline) {
		what := string(a.Level)
		if a.Resolves() {
			what = "end"
		}
		out = append(out, strings.TrimSpace(a.Account+" "+what))
	}
	return out
}

// TestAnAccountJoinsDepartsAndIsBack, without a restart: it is protected within a round; when it
// departs, an alert says so, nothing of it counts as lost, and nothing is created in it; when it is
// back, what vanished meanwhile is restored.
func TestAnAccountJoinsDepartsAndIsBack(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := organized(t)
		h.plant(region, "vpc-1")
		h.refreshed()
		h.plantIn(payments, "vpc-2")
		h.join(payments, "payments-prod")
		h.awaitProtected(payments)
		h.vanish(payments)
		time.Sleep(refreshEvery)
		h.await("the flow log of the account that joined to be back", func() bool { return h.countIn(payments) == 1 })
		h.await("both scopes", func() bool { return h.daemon.refreshes.overview().share() == share{2, 2} })
		h.await("the alerts about it", func() bool { return len(h.pager.of(alert.Restored)) == 1 })
		deletions := len(h.pager.of(alert.Deletion))

		h.world.RemoveAccount(payments)
		h.list()
		h.awaitGone(payments)
		h.await("an alert", func() bool { return len(h.pager.of(alert.Pipeline)) == 1 })
		a := h.pager.of(alert.Pipeline)[0]
		if a.Level != alert.High || a.Account != payments || a.Advice == "" ||
			!strings.Contains(a.Cause, "the account payments-prod (222233334444) is not in the organisation any more. 1 protected flow log in 1 Region") {
			t.Errorf("%+v", a)
		}
		if n := h.daemon.refreshes.overview().share(); n != (share{1, 1}) {
			t.Errorf("%s", n)
		}
		h.vanish(payments)
		time.Sleep(21 * time.Minute) // of refreshes, and two more listings
		if n := h.countIn(payments); n != 0 || len(h.pager.of(alert.Deletion)) != deletions {
			t.Errorf("%d flow logs, and %d alerts of deletions after %d", n, len(h.pager.of(alert.Deletion)), deletions)
		}
		if stalled := h.daemon.progress.Stalled(time.Now()); len(stalled) > 0 {
			t.Errorf("stalled: %q", stalled)
		}

		h.join(payments, "payments-prod")
		h.await("it to be back", func() bool { return h.countIn(payments) == 1 })
		h.await("the end", func() bool { return slices.Equal(h.accountAlerts(), []string{payments + " high", payments + " end"}) })
		if n := len(h.pager.of(alert.Deletion)); n != deletions+1 {
			t.Errorf("%d alerts of deletions", n)
		}
	})
}
