package daemon

import (
	"fmt"
	"slices"
	"strings"

	"flowkeeper/configs"
	"flowkeeper/internal/organization"
	"flowkeeper/internal/scopes"
	"flowkeeper/inventory"
)

// Watched are the accounts and Regions whose flow logs a daemon refreshes, and on whose records it acts,
// as far as is known without AWS.
type Watched struct {
	anyAccount bool // others, too, that accounts does not name
	organized  bool // AWS Organizations names accounts, too
	accounts   []string
	regions    []string            // none: any
	own        map[string][]string // Regions that an account has of its own, instead of regions
}

// WatchedBy returns what a configuration watches. If it does not say which accounts, because there is only the account of
// the credentials, or the organisation's are not listed yet, any account is watched; if it does not say which Regions, any
// Region. The accounts and Regions of known scopes, such as those of a snapshot, are used instead of "any".
func WatchedBy(c configs.Config, members []organization.Member, listed bool, known []inventory.Scope) Watched {
	w := Watched{organized: c.Organization.RoleName != "", regions: unlessAll(c.Inventory.Regions), own: map[string][]string{}}
	protected := ProtectedAccounts(c, "", members)
	for _, a := range protected {
		w.accounts = append(w.accounts, a.ID)
		if len(a.Regions) > 0 {
			w.own[a.ID] = unlessAll(a.Regions)
		}
	}
	for _, s := range known {
		if len(protected) == 0 && !w.organized {
			w.accounts = append(w.accounts, s.Account)
		}
		if len(c.Inventory.Regions) == 0 {
			w.regions = append(w.regions, s.Region)
		}
	}
	w.accounts, w.regions = sortedSet(w.accounts), sortedSet(w.regions)
	w.anyAccount = w.organized && !listed || !w.organized && len(w.accounts) == 0
	return w
}

// unlessAll returns the Regions of a list; none, which means any, if the list says all.
func unlessAll(regions []string) []string {
	if slices.Contains(regions, scopes.AllRegions) {
		return nil
	}
	return slices.Clone(regions)
}

// sortedSet returns the words in order, each once.
func sortedSet(words []string) []string { return slices.Compact(slices.Sorted(slices.Values(words))) }

// Has reports whether a scope is watched.
func (w Watched) Has(s inventory.Scope) bool { return w.Check(s) == nil }

// Check returns an error, which says what to configure, if a scope is not watched.
func (w Watched) Check(s inventory.Scope) error {
	regions, where := w.regions, "under inventory.regions"
	if own, is := w.own[s.Account]; is {
		regions, where = own, "to the regions of "+s.Account+" under accounts"
	}
	switch {
	case !w.anyAccount && !slices.Contains(w.accounts, s.Account):
		fix := "add it under accounts first"
		if w.organized {
			fix = "add it under organization.include or accounts first"
		}
		return fmt.Errorf("account %s is not watched here (%s): %s", s.Account, firstOf(w.accounts), fix)
	case len(regions) > 0 && !slices.Contains(regions, s.Region):
		return fmt.Errorf("region %s is not watched here (%s): add it %s first", s.Region, strings.Join(regions, ", "), where)
	}
	return nil
}

// firstOf names the first few accounts.
func firstOf(accounts []string) string {
	const most = 5
	switch more := len(accounts) - most; {
	case len(accounts) == 0:
		return "none is"
	case more > 0:
		return fmt.Sprintf("%s and %d more", strings.Join(accounts[:most], ", "), more)
	}
	return strings.Join(accounts, ", ")
}
