package daemon

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"flowkeeper/alert"
	"flowkeeper/configs"
	"flowkeeper/internal/fakeaws"
	"flowkeeper/internal/fakeaws/fakeawstest"
	"flowkeeper/internal/organization"
	"flowkeeper/internal/store"
	"flowkeeper/inventory"
)

const (
	payments = "222233334444"
	sandbox  = "333344445555"

	refreshEvery = 5 * time.Minute // the schedule in a house that organized returns
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

// join makes an account, which has the role, join the organisation, and the daemon list the accounts.
func (h *house) join(id, name string) {
	h.world.AddRole(roleIn(id), "")
	h.world.AddAccount(fakeawstest.Root, id, name)
	h.list()
}

// list makes the daemon list the accounts, if it runs, and waits until that is over.
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
	h.await(account+" to be protected", func() bool {
		return h.isIn(account) && h.isRefreshed(inventory.Scope{Account: account, Region: region})
	})
}

// awaitGone waits until an account is not in the fleet, and nothing of it runs any more.
func (h *house) awaitGone(account string) {
	h.t.Helper()
	h.await(account+" to be left alone", func() bool {
		l := h.daemon.scopeLoops
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

// accountAlerts returns the account of each pipeline alert, if it has one, followed by its level, or by "end".
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

// TestAnAccountJoinsDepartsAndIsBack: while the daemon runs, an account joins the organisation and is protected. It
// departs: an alert says so, its flow logs do not count as lost, and nothing is created in it. It comes back: what was
// deleted meanwhile is restored.
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
		h.await("the alert of the restore", func() bool { return len(h.pager.of(alert.Restored)) == 1 })
		deletions := len(h.pager.of(alert.Deletion))

		h.world.RemoveAccount(payments)
		h.list()
		h.awaitGone(payments)
		h.await("an alert", func() bool { return len(h.pager.of(alert.Pipeline)) == 1 })
		a := h.pager.of(alert.Pipeline)[0]
		if a.Level != alert.High || a.Account != payments || a.Advice == "" || a.Title != "Flow logs at risk: the account payments-prod (222233334444) is not in the organisation any more" ||
			!strings.Contains(a.Cause, "the account payments-prod (222233334444) is not in the organisation any more. 1 protected flow log in 1 Region") {
			t.Errorf("%+v", a)
		}
		if n := h.daemon.refreshes.overview().share(); n != (share{1, 1}) {
			t.Errorf("%s", n)
		}
		h.vanish(payments)
		time.Sleep(21 * time.Minute) // several refreshes and two listings
		if n := h.countIn(payments); n != 0 || len(h.pager.of(alert.Deletion)) != deletions {
			t.Errorf("%d flow logs, and %d alerts of deletions after %d", n, len(h.pager.of(alert.Deletion)), deletions)
		}
		if stalled := h.daemon.progress.Stalled(time.Now()); len(stalled) > 0 {
			t.Errorf("stalled: %q", stalled)
		}

		h.join(payments, "payments-prod")
		h.await("the flow log to be back", func() bool { return h.countIn(payments) == 1 })
		h.await("the end of the alert about the account", func() bool { return slices.Equal(h.accountAlerts(), []string{payments + " high", payments + " end"}) })
		if n := len(h.pager.of(alert.Deletion)); n != deletions+1 {
			t.Errorf("%d alerts of deletions, want %d", n, deletions+1)
		}
	})
}

// TestADepartureWhileACreateIsInFlight: an account departs and comes back while AWS has not answered a create in it.
// The create goes on, and the flow log is not created a second time.
func TestADepartureWhileACreateIsInFlight(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := organized(t)
		h.plantIn(payments, "vpc-2")
		h.join(payments, "payments-prod")
		h.refreshed()
		h.awaitProtected(payments)
		creating, answer := make(chan struct{}), make(chan struct{})
		began := sync.OnceFunc(func() { close(creating) })
		h.world.Meet(func(q *fakeaws.Request) fakeawstest.Refusal {
			if q.Operation == "CreateFlowLogs" && q.Account == payments && q.Form.Get("DryRun") != "true" {
				began()
				<-answer
			}
			return fakeawstest.Refusal{}
		})
		h.vanish(payments)
		<-creating
		h.world.RemoveAccount(payments)
		h.list()
		if h.isIn(payments) {
			t.Error("the account is still protected")
		}
		h.join(payments, "payments-prod") // back before the create is over: two restorers must not work there
		h.await("the account to be back", func() bool { return h.isIn(payments) })
		close(answer)
		h.await("the flow log to be back", func() bool { return h.countIn(payments) == 1 })
		time.Sleep(3 * refreshEvery)
		if n := h.countIn(payments); n != 1 || len(h.world.Calls("CreateFlowLogs")) != 1 {
			t.Errorf("%d flow logs, made by %d calls; want 1 by 1", n, len(h.world.Calls("CreateFlowLogs")))
		}
		h.await("the alert that it is restored", func() bool { return len(h.pager.of(alert.Restored)) == 1 })
	})
}

// TestADepartedAccountThatIsConfigured: if the configuration names an account that has departed, the alert about its
// departure ends.
func TestADepartedAccountThatIsConfigured(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := organized(t)
		h.join(payments, "payments-prod")
		h.refreshed()
		h.world.RemoveAccount(payments)
		h.list()
		h.await("the alert", func() bool { return slices.Equal(h.accountAlerts(), []string{payments + " medium"}) })
		h.halt()
		h.daemon.Config.Accounts = []configs.Account{{ID: payments}}
		h.restart()
		h.await("the end", func() bool { return slices.Contains(h.accountAlerts(), payments+" end") })
	})
}

// TestManyAccountsDepartTogether: if more than mostSingle accounts depart at the same time, one alert names all of
// them. It ends when all are back, also after a restart.
func TestManyAccountsDepartTogether(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := organized(t)
		var many []string
		for n := range mostSingle + 1 {
			id := fmt.Sprint(222233330000 + n)
			many = append(many, id)
			h.join(id, "team-"+id)
		}
		h.join(sandbox, "sandbox")
		h.refreshed()
		if n := len(h.daemon.fleet.Accounts()); n != len(many)+2 {
			t.Fatalf("%d accounts", n)
		}
		for _, id := range many {
			h.world.RemoveAccount(id)
		}
		h.list()
		h.await("an alert", func() bool { return len(h.pager.of(alert.Pipeline)) > 0 })
		a := h.pager.of(alert.Pipeline)
		if len(a) != 1 || a[0].Level != alert.High || a[0].Account != "" || !strings.Contains(a[0].Cause, "6 of 8 accounts") || !strings.Contains(a[0].Cause, "team-222233330005 (222233330005)") || !strings.HasSuffix(a[0].Cause, "No protected flow logs are there, but most accounts are gone: somebody may want Flowkeeper to look away") {
			t.Errorf("%+v", a)
		}
		h.world.SetAccountState(sandbox, "SUSPENDED")
		h.list()
		h.await("the alert of another one", func() bool { return slices.Equal(h.accountAlerts(), []string{"high", sandbox + " medium"}) })
		if a := h.pager.of(alert.Pipeline)[1]; !strings.Contains(a.Cause, "sandbox (333344445555) is SUSPENDED in the organisation") || a.Title != "Not protected: the account sandbox (333344445555) is SUSPENDED in the organisation" {
			t.Errorf("%+v", a)
		}
		h.halt()
		h.restart()
		for _, id := range many[1:] {
			h.join(id, "team-"+id)
		}
		if got := h.accountAlerts(); len(got) != 2 {
			t.Errorf("alerts after a restart, while one account is away: %q, want 2", got)
		}
		h.join(many[0], "team-"+many[0])
		h.await("the end", func() bool { return slices.Equal(h.accountAlerts(), []string{"high", sandbox + " medium", "end"}) })
	})
}

// TestADepartureIsAlertedAfterACrash: the daemon crashes after it has stored that an account has departed, and before
// it has stored the alert. The next daemon adds the alert, once, even if the accounts can't be listed any more.
func TestADepartureIsAlertedAfterACrash(t *testing.T) {
	t.Parallel()
	for name, denied := range map[string]bool{"the accounts can be listed": false, "the accounts can't be listed": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) { departureAfterACrash(t, denied) })
		})
	}
}

func departureAfterACrash(t *testing.T, denied bool) {
	h := organized(t)
	h.join(payments, "payments-prod")
	h.refreshed()
	h.halt()
	if denied {
		h.world.Deny("*", "organizations:ListAccounts")
	}
	h.world.RemoveAccount(payments)
	h.inFile(true, func(ctx context.Context, s *store.Store) error {
		c, err := s.SetAccounts(ctx, organization.Listing{Accounts: []organization.Account{{ID: account, Name: "management", State: organization.Active, Management: true, Selected: true}}})
		if len(c.Departed) != 1 {
			t.Errorf("%+v", c)
		}
		return err
	})
	for range 2 { // the second daemon adds no alert
		h.restart()
		h.await("the alert", func() bool { return slices.Equal(h.accountAlerts(), []string{payments + " medium"}) })
		h.list()
		h.halt()
	}
	if got := h.accountAlerts(); len(got) != 1 {
		t.Errorf("%q", got)
	}
	h.restart()
}

// TestWhatAnAccountThatJoinedDependsOn: tampering with the trails of an account that has joined is alerted, and with
// the roles of Flowkeeper.
func TestWhatAnAccountThatJoinedDependsOn(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := organized(t)
		h.daemon.Config.Organization.ListRoleARN = "arn:aws:iam::111122223333:role/lister"
		h.world.AddRole("arn:aws:iam::111122223333:role/lister", "")
		h.refreshed()
		depends := func() []string { return arns(h.daemon.depends.All()) }
		trail := "arn:*:cloudtrail:*:" + payments + ":trail/*"
		if got := depends(); slices.Contains(got, trail) || !slices.Contains(got, "arn:*:iam::*:role/flowkeeper") || !slices.Contains(got, "arn:aws:iam::111122223333:role/lister") {
			t.Errorf("%q", got)
		}
		h.join(payments, "payments-prod")
		if got := depends(); !slices.Contains(got, trail) {
			t.Errorf("%q", got)
		}
	})
}
