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

// TestAListingThatFailsChangesNothing: if Organizations refuses ListAccounts, a daemon starts with the stored list
// of accounts, and protects them. The failure is logged once, and alerted once if it lasts.
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
		h.restart()
		h.vanish(payments)
		time.Sleep(refreshEvery)
		h.await("the flow log to be back", func() bool { return h.countIn(payments) == 1 })
		time.Sleep(time.Hour)
		if n := strings.Count(h.log.String(), `"msg":"the accounts of the organisation can't be listed`); n != 1 {
			t.Errorf("the failure was logged %d times, want 1", n)
		}
		a := h.pager.of(alert.Pipeline)
		if len(a) != 1 || a[0].Level != alert.High || !strings.Contains(a[0].Cause, "organizations:ListAccounts") || a[0].Advice == "" {
			t.Errorf("%+v", a)
		}
		h.world.Allow("flowkeeper", "ListAccounts")
		h.list()
		h.await("the alert that the outage has ended", func() bool { a := h.pager.of(alert.Pipeline); return len(a) == 2 && a[1].Resolves() })
	})
}

// TestAFirstStartNeedsTheList: if no list of accounts is stored and AWS refuses to list them, the daemon ends with
// an error that names the permission to grant. It also ends if the list has no account to protect.
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

// TestStrangersAreOneLine: if organization.exclude names accounts that are not in the organisation, one line of log
// names all of them.
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
		about := slices.DeleteFunc(slices.Clone(lines), func(line string) bool { return !strings.Contains(line, "organization.exclude[") })
		if len(about) != 1 || len(lines) > 20 || !strings.Contains(about[0], "organization.exclude[0]: 333344440000, ") || !strings.Contains(about[0], "organization.exclude[29]: 333344440029") {
			t.Errorf("%q", lines)
		}
	})
}

// TestAStartDoesNotWaitForTheOUs: the paths of OUs are only shown to people, so the daemon asks for them in the
// background. It does so right after the start, not at the next time of the schedule. Until AWS answers, the stored
// paths stay.
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
			t.Errorf("the path is %q before AWS has named the OUs", got)
		}
		close(answer)
		h.await("the OUs", func() bool { return path() == "Root/Prod" })
		h.halt()

		h.inFile(true, func(ctx context.Context, s *store.Store) error { // a list without an account to protect, so that the next start lists again
			_, err := s.SetAccounts(ctx, organization.Listing{NoPaths: errors.New("not listed"),
				Accounts: []organization.Account{{ID: account, State: organization.Active}, {ID: payments, State: organization.Active}}})
			return err
		})
		answer = h.withholdOUs()
		h.world.AddAccount(h.world.AddUnit(fakeawstest.Root, "Later"), payments, "payments-prod")
		h.restart()
		h.awaitProtected(payments)
		if got := path(); got != "Root/Prod" {
			t.Errorf("the path is %q after the start, not the stored one", got)
		}
		close(answer)
		h.await("the other OU", func() bool { return path() == "Root/Later" })
	})
}

// withholdOUs makes Organizations answer ListAccounts at once, and all other calls only when the test closes answer.
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

// TestAFirstStartWhileAccountsMove: while accounts move between OUs, AWS's answers make no complete list. The
// daemon lists them again, and the log gives no advice about credentials, which are right.
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
		t.Errorf("the log does not say that the list is incomplete: %s", log)
	}
	if strings.Contains(log, "AWS_ACCESS_KEY_ID") || strings.Contains(log, "can't reach AWS yet") {
		t.Errorf("the log has advice about credentials: %s", log)
	}
}

// TestCredentialsAreNotToBlame: an error that did not come from a call to AWS is returned as it is, without advice
// about credentials.
func TestCredentialsAreNotToBlame(t *testing.T) {
	t.Parallel()
	damaged := errors.New("the state file is damaged")
	if err := newHouse(t).connected(t.Context()).mayConnectLater(t.Context(), damaged); err != damaged {
		t.Errorf("%v", err)
	}
}

// TestASelectionThatWasEmptyIsMended: if the stored list has no account to protect, the next start lists the
// organisation again, so that a corrected include or exclude takes effect.
func TestASelectionThatWasEmptyIsMended(t *testing.T) {
	t.Parallel()
	h := organized(t)
	h.plant(region, "vpc-1")
	h.daemon.Config.Organization.Exclude = []string{fakeawstest.Root}
	if err := h.daemon.Run(t.Context()); !errors.Is(err, errNoAccount) {
		t.Fatalf("%v", err)
	}
	h.daemon.Config.Organization.Exclude = nil
	h.newDaemon()
	h.refreshed()
	h.awaitProtected(account)
}

// TestASelectionBecomesEmpty: an earlier daemon worked, and then organization.exclude excludes every account. The
// daemon goes on, and logs why nothing is protected, not that AWS does not answer. After a correction and a restart,
// the account is protected again.
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
	h.newDaemon()
	h.run()
	h.await("the reason in the log", func() bool { return strings.Contains(h.log.String(), errNoAccount.Error()) })
	h.halt()
	if log := h.log.String(); strings.Contains(log, "can't reach AWS yet") {
		t.Errorf("the log says that AWS is not reached: %s", log)
	}
	h.daemon.Config.Organization.Exclude = nil
	h.restart()
	h.strike(id)
	h.awaitBack(region, "vpc-1")
}
