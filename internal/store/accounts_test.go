package store

import (
	"errors"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"flowkeeper/internal/organization"
)

func listing(accounts ...organization.Account) organization.Listing {
	return organization.Listing{Accounts: accounts}
}

func accountOf(id, name string) organization.Account {
	return organization.Account{ID: id, Name: name, Path: "Root/Prod", State: organization.Active, Selected: true}
}

func (s *Store) members(t *testing.T) (members []organization.Member, listed time.Time) {
	t.Helper()
	members, listed, err := s.Accounts(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return members, listed
}

// TestAccounts: SetAccounts stores a listing and returns which accounts joined, departed, changed or came back. The
// stored list is there after a restart.
func TestAccounts(t *testing.T) {
	t.Parallel()
	s := fresh(t)
	now := noon
	s.now = func() time.Time { return now }
	if members, listed := s.members(t); len(members) > 0 || !listed.IsZero() {
		t.Errorf("%+v, %s", members, listed)
	}
	management := accountOf("999988887777", "main")
	management.Management = true
	c, err := s.SetAccounts(t.Context(), listing(accountOf("111122223333", "payments-prod"), management))
	if err != nil || len(c.Joined) != 2 {
		t.Fatalf("%+v, %v", c, err)
	}
	now = noon.Add(time.Hour + 7*time.Millisecond)
	if c, err = s.SetAccounts(t.Context(), listing(management)); err != nil || len(c.Departed) != 1 || len(c.Changed) != 1 {
		t.Fatalf("%+v, %v", c, err)
	}
	gone := accountOf("111122223333", "payments-prod")
	gone.Selected = false
	want := []organization.Member{{Account: gone, FirstAt: noon, LeftAt: now, Why: organization.Left}, {Account: management, FirstAt: noon}}
	path := s.path
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	s = open(t, path)
	s.now = func() time.Time { return now }
	members, listed := s.members(t)
	if d := cmp.Diff(want, members); d != "" || !listed.Equal(now) {
		t.Error(d, listed)
	}
	if c, err = s.SetAccounts(t.Context(), listing(management)); err != nil || len(c.Changed) > 0 {
		t.Errorf("the same again: %+v, %v", c, err)
	}
	if c, err = s.SetAccounts(t.Context(), listing(management, accountOf("111122223333", "payments-prod"))); err != nil || len(c.Back) != 1 {
		t.Errorf("back: %+v, %v", c, err)
	}
}

// TestAnAdoptedCopyKeepsAccounts: a daemon that adopts a copy can start with its list of accounts while Organizations
// does not answer. But an attacker may have written the copy: no account counts as departed, and entries whose ID is no
// account ID are dropped.
func TestAnAdoptedCopyKeepsAccounts(t *testing.T) {
	t.Parallel()
	s := fresh(t)
	payments := accountOf("111122223333", "payments\x1b-prod")
	_, err := s.SetAccounts(t.Context(), listing(payments, accountOf("444455556666", "search"), accountOf("not a number", "x")))
	_, gone := s.SetAccounts(t.Context(), listing(payments))
	if err := errors.Join(err, gone); err != nil {
		t.Fatal(err)
	}
	exec(t, s.w, `UPDATE facts SET value = 'no time' WHERE name = ?`, factListed)
	b, _ := s.adopted(t, Adoption{Now: noon, Made: noon, Stale: time.Hour})
	members, listed := b.members(t)
	if len(members) != 2 || members[0].Name != `payments\x1b-prod` || members[0].Departed() || members[1].Departed() || !listed.IsZero() {
		t.Errorf("%+v, %s", members, listed)
	}
}
