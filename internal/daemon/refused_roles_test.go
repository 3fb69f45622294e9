package daemon

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"flowkeeper/alert"
	"flowkeeper/configs"
	"flowkeeper/internal/fakeaws/fakeawstest"
	"flowkeeper/internal/pipeline"
)

// TestARefusedRoleIsOneAlert: if AWS refuses the role of an account, one alert is about all its Regions, and other
// accounts are refreshed. The management account without the role causes only a line of log, because StackSets do not
// deploy the role there.
func TestARefusedRoleIsOneAlert(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := newHouse(t)
		h.world.SetRoleLifetime(15 * time.Minute)
		h.world.AddOrganization(account, "management") // this account has no role
		h.daemon.Config.Organization = configs.Organization{RoleName: "flowkeeper", Schedule: "@every 10m"}
		h.daemon.Config.Inventory.Regions, h.daemon.Config.Inventory.Schedule = []string{region, farRegion, "ap-south-2"}, "@every 5m"
		h.world.AddAccount(fakeawstest.Root, sandbox, "sandbox") // nor has this account
		h.plantIn(payments, "vpc-2")
		h.join(payments, "payments-prod")
		h.refreshed()
		h.awaitProtected(payments)
		h.await("the alert", func() bool { return len(h.pager.of(alert.Pipeline)) > 0 })
		time.Sleep(10 * time.Minute)
		a := h.pager.of(alert.Pipeline)
		if len(a) != 1 || a[0].Level != alert.Medium || a[0].Account != sandbox || a[0].Region != "" || !strings.Contains(a[0].Cause, roleIn(sandbox)) || !strings.Contains(a[0].Cause, "the account sandbox (333344445555)") || a[0].Advice == "" {
			t.Errorf("%+v", a)
		}
		if a[0].Title != "Not protected: the account sandbox (333344445555) can't be reached in any Region" {
			t.Error(a[0].Title)
		}
		if !strings.Contains(a[0].Cause, " Why: AccessDenied: ") || strings.Contains(a[0].Cause, "RequestID") || strings.Contains(a[0].Cause, "credentials") {
			t.Error(a[0].Cause)
		}
		if !strings.Contains(a[0].Advice, "sts:AssumeRole") || !strings.Contains(a[0].Advice, "deploy/cloudformation/flowkeeper-member.yaml") {
			t.Error(a[0].Advice)
		}
		if n := strings.Count(h.log.String(), "refresh failed: the account can't be reached"); n != 2 {
			t.Errorf("%d lines about accounts that can't be reached, want 2:\n%s", n, h.log)
		}
		if n := strings.Count(h.log.String(), "the management account is not protected"); n != 1 {
			t.Errorf("%d lines about the management account, want 1", n)
		}
		if n := h.daemon.refreshes.overview().share(); n != (share{3, 9}) {
			t.Errorf("%s are refreshed, want 3 of 9", n)
		}
		h.world.AddRole(roleIn(sandbox), "")
		h.await("the end", func() bool { return slices.Equal(h.accountAlerts(), []string{sandbox + " medium", sandbox + " end"}) })

		h.world.AddRole(roleIn(payments), "another external ID")
		time.Sleep(20 * time.Minute) // until its session ends
		h.await("an urgent alert", func() bool {
			return slices.Equal(h.accountAlerts(), []string{sandbox + " medium", sandbox + " end", payments + " high"})
		})
	})
}

// TestManyRefusedRoles: pipeline.MostSingle accounts have an alert each, and all others share one, which ends when the
// last of them works again, also after a restart. An account with protected flow logs has a high alert of its own.
func TestManyRefusedRoles(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := organized(t)
		h.world.SetRoleLifetime(15 * time.Minute)
		h.plantIn(payments, "vpc-2")
		h.join(payments, "payments-prod")
		team := func(n int) string { return fmt.Sprint(333344440000 + n) }
		for n := range pipeline.MostSingle + 5 {
			h.world.AddAccount(fakeawstest.Root, team(n), "team")
		}
		h.refreshed()
		h.awaitProtected(payments)
		count := func(level string) (n int) {
			for _, x := range h.accountAlerts() {
				if strings.HasSuffix(x, level) {
					n++
				}
			}
			return n
		}
		together := func() (a []alert.Alert) {
			for _, x := range h.pager.of(alert.Pipeline) {
				if x.Account == "" {
					a = append(a, x)
				}
			}
			return a
		}
		h.await("the alerts", func() bool { return count("medium") == pipeline.MostSingle+1 })
		time.Sleep(10 * time.Minute)
		if a := together(); len(a) != 1 || count("medium") != pipeline.MostSingle+1 || !strings.Contains(a[0].Cause, "more than 10 accounts can't be reached") {
			t.Errorf("%q, and %+v", h.accountAlerts(), a)
		}
		if one, more := strings.Count(h.log.String(), "refresh failed: the account"), strings.Count(h.log.String(), "refresh failed: several accounts can't be reached"); one != 1 || more != 1 {
			t.Errorf("%d and %d lines of log:\n%s", one, more, h.log)
		}
		h.world.AddRole(roleIn(payments), "another external ID")
		time.Sleep(20 * time.Minute) // until its session ends
		h.await("a high alert of its own", func() bool { return slices.Contains(h.accountAlerts(), payments+" high") })
		if a := together(); len(a) != 1 {
			t.Errorf("%+v", a)
		}
		h.halt()
		for n := range pipeline.MostSingle + 5 {
			h.world.AddRole(roleIn(team(n)), "")
		}
		h.world.AddRole(roleIn(payments), "")
		h.restart()
		time.Sleep(pipeline.TriedAfter + refreshEvery)
		h.await("the ends", func() bool { return count("end") == pipeline.MostSingle+2 && len(together()) == 2 })
	})
}
