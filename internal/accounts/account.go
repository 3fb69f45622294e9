package accounts

import (
	"cmp"
	"slices"

	"flowkeeper/alert"
	"flowkeeper/internal/daemon"
	"flowkeeper/internal/organization"
	"flowkeeper/internal/store"
	"flowkeeper/inventory"
)

// Account is an account to protect, or one that departed. Its JSON is a public contract: names and
// meanings stay, and what is not known is absent.
type Account struct {
	ID          string                 `json:"account"`
	Name        string                 `json:"name,omitempty"`
	Path        string                 `json:"path,omitempty"`  // the names of the root and the OUs above it
	State       organization.State     `json:"state,omitempty"` // as AWS Organizations names it
	Management  bool                   `json:"management,omitempty"`
	Source      string                 `json:"source"` // organization or accounts
	ProtectedAt alert.Time             `json:"protected_at,omitzero"`
	DepartedAt  alert.Time             `json:"departed_at,omitzero"`
	Why         organization.Departure `json:"departed,omitempty"` // empty: it is to be protected
	RoleARN     string                 `json:"role_arn,omitempty"`
	RoleWorks   *bool                  `json:"role_works,omitempty"` // nil: AWS was not asked
	RoleError   string                 `json:"role_error,omitempty"` // Err as the caller prints it
	Regions     []string               `json:"regions,omitempty"`    // that were refreshed
	FlowLogs    int                    `json:"protected_flow_logs"`
	RefreshedAt alert.Time             `json:"refreshed_at,omitzero"` // in the Region where that is longest ago

	Err error `json:"-"` // why the role does not work; nil: it works, or AWS was not asked
}

// The sources of accounts.
const (
	fromOrganization = "organization"
	fromAccounts     = "accounts" // of the configuration
)

// Departed reports whether the account is not protected any more.
func (x Account) Departed() bool { return x.Why != "" }

// fromMember is what the organisation says of an account.
func fromMember(m organization.Member) Account {
	return Account{
		ID: m.ID, Name: m.Name, Path: m.Path, State: m.State, Management: m.Management, Source: fromOrganization,
		ProtectedAt: alert.Time{Time: m.FirstAt}, DepartedAt: alert.Time{Time: m.LeftAt}, Why: m.Why,
	}
}

// All are all accounts by number: those to protect, and those that departed.
func (k *Known) All() (out []Account) {
	members := map[string]organization.Member{}
	for _, m := range k.members {
		members[m.ID] = m
	}
	names, listed := daemon.Names(k.conf), map[string]bool{}
	for _, account := range k.protect {
		m, is := members[account.ID]
		x := fromMember(m)
		if !is || m.Departed() {
			x.Source = fromAccounts
		}
		x.ID, x.Name, x.Why, x.DepartedAt, x.RoleARN = account.ID, cmp.Or(names[account.ID], m.Name), "", alert.Time{}, account.RoleARN
		if k.Asked() {
			x.Err = k.answers[account.ID]
			x.RoleWorks = new(x.Err == nil)
		}
		listed[account.ID] = true
		out = append(out, x)
	}
	for _, m := range k.members {
		if m.Departed() && !listed[m.ID] {
			out = append(out, fromMember(m))
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
		x.FlowLogs += c.Protected[scope]
		if x.RefreshedAt.IsZero() || at.Before(x.RefreshedAt.Time) {
			x.RefreshedAt.Time = at
		}
	}
	slices.Sort(x.Regions)
}
