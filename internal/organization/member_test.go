package organization_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"flowkeeper/internal/organization"
)

var noon = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// listed returns an account as AWS lists it, with changes.
func listed(id string, change ...func(*organization.Account)) organization.Account {
	a := organization.Account{ID: id, Name: "name of " + id, Path: "Root", State: organization.Active, Selected: true}
	for _, c := range change {
		c(&a)
	}
	return a
}

func suspended(a *organization.Account)  { a.State = "SUSPENDED" }
func deselected(a *organization.Account) { a.Selected = false }

// member returns a stored account that has departed for a reason. If why is empty, the account is protected.
func member(id string, why organization.Departure) organization.Member {
	m := organization.Member{Account: listed(id), FirstAt: noon.Add(-48 * time.Hour), Why: why}
	switch why {
	case organization.Inactive:
		suspended(&m.Account)
		fallthrough
	case organization.Left, organization.Deselected:
		m.LeftAt, m.Selected = noon.Add(-time.Hour), false
	}
	return m
}

func TestCompare(t *testing.T) {
	t.Parallel()
	departed := func(why organization.Departure) *organization.Member {
		m := member("1", why)
		m.LeftAt = noon
		return &m
	}
	joined := member("1", "")
	joined.FirstAt = noon
	back := member("1", "")
	renamed := member("1", "")
	renamed.Name = "other"
	closed := member("1", organization.Inactive)
	closed.State = "CLOSED"
	left := member("1", organization.Inactive)
	left.Why = organization.Left
	list := func(change ...func(*organization.Account)) []organization.Account {
		return []organization.Account{listed("1", change...)}
	}
	for name, c := range map[string]struct {
		stored  organization.Departure // why the stored account has departed; "none": no account is stored
		listed  []organization.Account
		changed *organization.Member // what is stored afterwards; nil: nothing changes
		as      string               // the list of the changes that has the account, too
	}{
		"joins":                       {"none", list(), &joined, "joined"},
		"joins suspended":             {"none", list(suspended), nil, ""},
		"is not selected":             {"none", list(deselected), nil, ""},
		"stays":                       {"", list(), nil, ""},
		"has another name":            {"", list(func(a *organization.Account) { a.Name = "other" }), &renamed, ""},
		"leaves":                      {"", nil, departed(organization.Left), "departed"},
		"is suspended":                {"", list(suspended), departed(organization.Inactive), "departed"},
		"is not selected any more":    {"", list(deselected), departed(organization.Deselected), "departed"},
		"is still suspended":          {organization.Inactive, list(suspended), nil, ""},
		"is still not selected":       {organization.Deselected, list(deselected), nil, ""},
		"has still left":              {organization.Left, nil, nil, ""},
		"was suspended and is closed": {organization.Inactive, list(func(a *organization.Account) { a.State = "CLOSED" }), &closed, ""},
		"was suspended and left":      {organization.Inactive, nil, &left, ""},
		"is back after it left":       {organization.Left, list(), &back, "back"},
		"is usable again":             {organization.Inactive, list(), &back, "back"},
		"is selected again":           {organization.Deselected, list(), &back, "back"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var stored []organization.Member
			if c.stored != "none" {
				stored = []organization.Member{member("1", c.stored)}
			}
			var want organization.Changes
			if c.changed != nil {
				want.Changed = []organization.Member{*c.changed}
				if into := map[string]*[]organization.Member{"joined": &want.Joined, "departed": &want.Departed, "back": &want.Back}[c.as]; into != nil {
					*into = want.Changed
				}
			}
			got := organization.Compare(stored, organization.Listing{Accounts: c.listed}, noon)
			if d := cmp.Diff(want, got); d != "" {
				t.Error(d)
			}
		})
	}
}

// TestCompareKeepsPaths: if AWS denies the calls that list OUs, the stored accounts keep their last known paths.
func TestCompareKeepsPaths(t *testing.T) {
	t.Parallel()
	a := listed("1", func(a *organization.Account) { a.Path = "" })
	got := organization.Compare([]organization.Member{member("1", "")}, organization.Listing{Accounts: []organization.Account{a}, NoPaths: errors.New("denied")}, noon)
	if len(got.Changed) > 0 {
		t.Errorf("%+v", got)
	}
}

// TestCompareTwice: for any stored accounts and any listing, exactly the accounts that the listing selects are
// protected afterwards. No stored account is forgotten. The same listing a second time changes nothing.
func TestCompareTwice(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		stored := map[string]organization.Member{}
		var l organization.Listing
		want := map[string]bool{}
		for _, id := range []string{"1", "2", "3", "4"} {
			if why := rapid.SampledFrom([]organization.Departure{"none", "", organization.Left, organization.Inactive, organization.Deselected}).Draw(t, "stored"); why != "none" {
				stored[id] = member(id, why)
			}
			if rapid.Bool().Draw(t, "listed") {
				a := listed(id)
				a.Selected = rapid.Bool().Draw(t, "selected")
				a.State = rapid.SampledFrom([]organization.State{organization.Active, "SUSPENDED", ""}).Draw(t, "state")
				l.Accounts = append(l.Accounts, a)
				want[id] = a.Protected()
			}
		}
		values := func() (out []organization.Member) {
			for _, m := range stored {
				out = append(out, m)
			}
			return out
		}
		before := len(stored)
		c := organization.Compare(values(), l, noon)
		for _, m := range c.Changed {
			stored[m.ID] = m
		}
		if len(stored) != before+len(c.Joined) {
			t.Errorf("%d accounts were stored, and %d are afterwards, but %d joined", before, len(stored), len(c.Joined))
		}
		protected := map[string]bool{}
		for _, m := range organization.Protected(values()) {
			protected[m.ID] = true
		}
		for _, id := range []string{"1", "2", "3", "4"} {
			if protected[id] != want[id] {
				t.Errorf("%s: protected %t, want %t by the listing", id, protected[id], want[id])
			}
		}
		if again := organization.Compare(values(), l, noon.Add(time.Hour)); len(again.Changed)+len(again.Joined)+len(again.Departed)+len(again.Back) > 0 {
			t.Errorf("the same listing again changes %+v", again)
		}
	})
}

// TestMemberFromCopy: an attacker who forges a copy of the state file can't end the protection of an account by it, and
// can't get control characters to a terminal.
func TestMemberFromCopy(t *testing.T) {
	t.Parallel()
	m := member("111122223333", organization.Left)
	m.Name, m.Path, m.State = "a\x1b[2J", strings.Repeat("/x\n", 5000), "SUSPENDED"
	got, ok := organization.MemberFromCopy(m)
	if !ok || !got.Protected() || got.Departed() || !got.LeftAt.IsZero() || strings.ContainsAny(got.Name+got.Path, "\x1b\n") || len(got.Path) > 1<<12 {
		t.Errorf("%+v, %t", got, ok)
	}
	for _, id := range []string{"", "1", "11112222333x", "111122223333\n"} {
		if _, ok := organization.MemberFromCopy(member(id, "")); ok {
			t.Errorf("%q counts as the ID of an account", id)
		}
	}
}
