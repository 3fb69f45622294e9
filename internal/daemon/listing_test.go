package daemon

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"flowkeeper/alert"
	"flowkeeper/internal/fakeaws"
	"flowkeeper/internal/fakeaws/fakeawstest"
	"flowkeeper/internal/organization"
	"flowkeeper/internal/store"
)

// TestAListingThatFailsChangesNothing: a start takes the stored list, and the accounts on it are
// protected meanwhile. What fails is logged once, and alerted once if it does not pass.
func TestAListingThatFailsChangesNothing(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := organized(t)
		h.plantIn(payments, "vpc-2")
		h.join(payments, "payments-prod")
		h.refreshed()
		h.awaitProtected(payments)
		h.halt()
		h.world.Deny("flowkeeper", "ListAccounts")
		h.again()
		h.vanish(payments)
		time.Sleep(refreshEvery)
		h.await("the flow log to be back", func() bool { return h.countIn(payments) == 1 })
		time.Sleep(time.Hour)
		if n := strings.Count(h.log.String(), `"msg":"the accounts of the organisation can't be listed`); n != 1 {
			t.Errorf("it was logged %d times", n)
		}
		a := h.pager.of(alert.Pipeline)
		if len(a) != 1 || a[0].Level != alert.High || !strings.Contains(a[0].Cause, "organizations:ListAccounts") || a[0].Advice == "" {
			t.Errorf("%+v", a)
		}
		h.world.Allow("flowkeeper", "ListAccounts")
		h.list()
		h.await("the end", func() bool { a := h.pager.of(alert.Pipeline); return len(a) == 2 && a[1].Resolves() })
	})
}

// TestAFirstStartNeedsTheList: if there is none, the error says which permissions to grant.
func TestAFirstStartNeedsTheList(t *testing.T) {
	t.Parallel()
	h := organized(t)
	h.world.Deny("flowkeeper", "ListAccounts")
	if err := h.daemon.Run(t.Context()); err == nil || !strings.Contains(err.Error(), "allow organizations:ListAccounts") {
		t.Errorf("%v", err)
	}
	h = organized(t)
	h.daemon.Config.Organization.Exclude = []string{account}
	if err := h.daemon.Run(t.Context()); !errors.Is(err, errNoAccount) {
		t.Errorf("%v", err)
	}
}

// TestStrangersAreOneLine: accounts that the configuration names, and that are in no organisation, are logged once,
// together.
func TestStrangersAreOneLine(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := organized(t)
		for n := range 30 {
			h.daemon.Config.Organization.Exclude = append(h.daemon.Config.Organization.Exclude, fmt.Sprint(333344440000+n))
		}
		h.refreshed()
		h.list()
		lines := h.log.taken()
		of := slices.DeleteFunc(slices.Clone(lines), func(line string) bool { return !strings.Contains(line, "organization.exclude[") })
		if len(of) != 1 || len(lines) > 20 || !strings.Contains(of[0], "organization.exclude[0]: 333344440000, ") || !strings.Contains(of[0], "organization.exclude[29]: 333344440029") {
			t.Errorf("%q", lines)
		}
	})
}

// TestAStartDoesNotWaitForTheOUs that are only shown: it asks for them at once in the background, not with
// the next round of the schedule, and a start that does not know them keeps those that are stored.
func TestAStartDoesNotWaitForTheOUs(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := organized(t)
		h.daemon.Config.Organization.Schedule = "@every 24h"
		h.world.AddRole(roleIn(payments), "")
		h.world.AddAccount(h.world.AddUnit(fakeawstest.Root, "Prod"), payments, "payments-prod")
		path := func() (path string) {
			members, _, err := h.daemon.store.Accounts(t.Context())
			n := slices.IndexFunc(members, func(m organization.Member) bool { return m.ID == payments })
			if err != nil || n < 0 || members[n].Departed() {
				t.Fatalf("%+v, %v", members, err)
			}
			return members[n].Path
		}
		answer := h.withholdOUs()
		h.refreshed()
		h.awaitProtected(payments)
		if got := path(); got != "" {
			t.Errorf("%s before AWS says so", got)
		}
		close(answer)
		h.await("the OUs", func() bool { return path() == "Root/Prod" })
		h.halt()

		h.inFile(true, func(ctx context.Context, s *store.Store) error { // a list with nothing to protect, so that the start makes a new one
			_, err := s.SetAccounts(ctx, organization.Listing{NoPaths: errors.New("not asked"),
				Accounts: []organization.Account{{ID: account, State: organization.Active}, {ID: payments, State: organization.Active}}})
			return err
		})
		answer = h.withholdOUs()
		h.world.AddAccount(h.world.AddUnit(fakeawstest.Root, "Later"), payments, "payments-prod")
		h.again()
		h.awaitProtected(payments)
		if got := path(); got != "Root/Prod" {
			t.Errorf("the start made it %q", got)
		}
		close(answer)
		h.await("the other OU", func() bool { return path() == "Root/Later" })
	})
}

// withholdOUs has AWS list the accounts, and answer nothing about OUs until the channel is closed.
func (h *house) withholdOUs() (answer chan struct{}) {
	answer = make(chan struct{})
	h.world.Meet(func(q *fakeaws.Request) fakeawstest.Refusal {
		if q.Service == "organizations" && q.Operation != "ListAccounts" {
			select {
			case <-answer:
			case <-q.HTTP.Context().Done():
			}
		}
		return fakeawstest.Refusal{}
	})
	return answer
}

// TestAFirstStartWhileAccountsMove: AWS's answers are not a complete list for a while. The daemon
// goes on, and gives no advice about credentials.
func TestAFirstStartWhileAccountsMove(t *testing.T) {
	t.Parallel()
	h := organized(t)
	h.daemon.Config.Organization.Include = []string{fakeawstest.Root}
	h.plant(region, "vpc-1")
	h.world.Fail("ListAccountsForParent", 3, "ParentNotFoundException", http.StatusBadRequest)
	h.refreshed()
	h.awaitProtected(account)
	log := h.log.String()
	if !strings.Contains(log, "the accounts to protect are not known") || !strings.Contains(log, organization.ErrIncomplete.Error()) {
		t.Errorf("nothing was said of it: %s", log)
	}
	if strings.Contains(log, "AWS_ACCESS_KEY_ID") || strings.Contains(log, "can't reach AWS yet") {
		t.Errorf("%s", log)
	}
}

// TestCredentialsAreNotToBlame for what AWS was not asked.
func TestCredentialsAreNotToBlame(t *testing.T) {
	t.Parallel()
	damaged := errors.New("the state file is damaged")
	if err := newHouse(t).connected(t.Context()).mayConnectLater(t.Context(), damaged); err != damaged {
		t.Errorf("%v", err)
	}
}

// TestASelectionThatWasEmptyIsMended: the next start lists the organisation again, so that a
// corrected include or exclude counts although the stored list has no account to protect.
func TestASelectionThatWasEmptyIsMended(t *testing.T) {
	t.Parallel()
	h := organized(t)
	h.plant(region, "vpc-1")
	h.daemon.Config.Organization.Exclude = []string{fakeawstest.Root}
	if err := h.daemon.Run(t.Context()); !errors.Is(err, errNoAccount) {
		t.Fatalf("%v", err)
	}
	h.daemon.Config.Organization.Exclude = nil
	h.anew()
	h.refreshed()
	h.awaitProtected(account)
}

// TestASelectionBecomesEmpty although the daemon worked before: the daemon goes on, and says why
// nothing is protected instead of that AWS does not answer. Once the selection is corrected, all
// is protected.
func TestASelectionBecomesEmpty(t *testing.T) {
	t.Parallel()
	h := organized(t)
	id := h.plant(region, "vpc-1")
	h.receives()
	h.halt()
	h.daemon.Config.Organization.Exclude = []string{account}
	h.inFile(true, func(ctx context.Context, s *store.Store) error {
		_, err := s.SetAccounts(ctx, organization.Listing{Accounts: []organization.Account{{ID: account, Name: "management", State: organization.Active, Management: true}}})
		return err
	})
	h.anew()
	h.run()
	h.await("it to be said", func() bool { return strings.Contains(h.log.String(), errNoAccount.Error()) })
	h.halt()
	if log := h.log.String(); strings.Contains(log, "can't reach AWS yet") {
		t.Errorf("%s", log)
	}
	h.daemon.Config.Organization.Exclude = nil
	h.again()
	h.strike(id)
	h.awaitBack(region, "vpc-1")
}
