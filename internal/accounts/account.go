package accounts

import (
	"cmp"
	"slices"
	"time"

	"flowkeeper/internal/daemon"
	"flowkeeper/internal/organization"
	"flowkeeper/internal/store"
	"flowkeeper/inventory"
)

// Account is an account to protect, or one that departed.
type Account struct {
	// Member is what the organisation says of it; of any other account only the ID, and the name
	// that the configuration gives it. Of an account to protect it says no departure.
	organization.Member
	Source  string // "organization" or "accounts"
	RoleARN string
	Asked   bool  // AWS was asked whether the role works
	Err     error // why it does not; nil: it works, or was not asked

	Regions     []string  // that were refreshed
	FlowLogs    int       // protected ones
	RefreshedAt time.Time // in the Region where that is longest ago; zero: never
}

// The sources of accounts.
const (
	fromOrganization = "organization"
	fromAccounts     = "accounts" // of the configuration
)

// Fails reports whether AWS was asked, and the role does not work.
func (x Account) Fails() bool { return x.Asked && x.Err != nil }

// All are all accounts by number: those to protect, and those that departed.
func (k *Known) All() (out []Account) {
	members := map[string]organization.Member{}
	for _, m := range k.members {
		members[m.ID] = m
	}
	names, listed := daemon.Names(k.conf), map[string]bool{}
	for _, account := range k.protect {
		m, is := members[account.ID]
		x := Account{Member: m, Source: fromAccounts, RoleARN: account.RoleARN, Asked: k.Asked(), Err: k.answers[account.ID]}
		if is && !m.Departed() {
			x.Source = fromOrganization
		}
		x.ID, x.Name, x.Why, x.LeftAt = account.ID, cmp.Or(names[account.ID], m.Name), "", time.Time{}
		listed[account.ID] = true
		out = append(out, x)
	}
	for _, m := range k.members {
		if m.Departed() && !listed[m.ID] {
			out = append(out, Account{Member: m, Source: fromOrganization})
		}
	}
	scopesOf := map[string][]inventory.Scope{}
	for s := range k.counts.RefreshedAt {
		scopesOf[s.Account] = append(scopesOf[s.Account], s)
	}
	for n := range out {
		out[n].count(scopesOf[out[n].ID], k.counts)
	}
	slices.SortFunc(out, func(a, b Account) int { return cmp.Compare(a.ID, b.ID) })
	return out
}

// count adds what the state file knows of the account's Regions.
func (x *Account) count(scopes []inventory.Scope, c store.Counts) {
	for _, scope := range scopes {
		at := c.RefreshedAt[scope]
		x.Regions = append(x.Regions, scope.Region)
		x.FlowLogs += c.Protected[scope.String()]
		if x.RefreshedAt.IsZero() || at.Before(x.RefreshedAt) {
			x.RefreshedAt = at
		}
	}
	slices.Sort(x.Regions)
}
