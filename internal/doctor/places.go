package doctor

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"

	"flowkeeper/alert"
	"flowkeeper/inventory"
)

// Places are where a result was found: scopes, or accounts without a Region.
type Places []inventory.Scope

// Named are the places, each once and in order, without this machine.
func (p Places) Named() Places {
	sorted := slices.SortedFunc(slices.Values(p), func(a, b inventory.Scope) int {
		return cmp.Or(cmp.Compare(a.Account, b.Account), cmp.Compare(a.Region, b.Region))
	})
	return slices.DeleteFunc(slices.Compact(sorted), func(s inventory.Scope) bool { return s == inventory.Scope{} })
}

// byAccount are the Regions of each account, and the accounts in order.
func (p Places) byAccount() (accounts []string, regions map[string][]string) {
	regions = map[string][]string{}
	for _, s := range p.Named() {
		of := regions[s.Account]
		if s.Region != "" {
			of = append(of, s.Region)
		}
		regions[s.Account] = of
	}
	return slices.Sorted(maps.Keys(regions)), regions
}

// Short names a few places, or counts them; names are those of accounts.
func (p Places) Short(names map[string]string) string {
	accounts, regions := p.byAccount()
	if len(p) <= maxNamed {
		var out []string
		between := ", "
		for _, a := range accounts {
			if len(regions[a]) > 1 {
				between = "; "
			}
			out = append(out, strings.TrimSpace(alert.WithAccount(a, names[a])+" "+strings.Join(regions[a], ", ")))
		}
		return strings.Join(out, between)
	}
	of := alert.Plural(len(accounts), "account")
	if len(accounts) == 1 {
		of = alert.WithAccount(accounts[0], names[accounts[0]])
	}
	n := len(slices.DeleteFunc(slices.Clone(p), func(s inventory.Scope) bool { return s.Region == "" }))
	if n == 0 || len(accounts) == len(p) {
		return of
	}
	return fmt.Sprintf("%d Regions of %s", n, of)
}

// list names the places of so many accounts: those with the same Regions together.
func (p Places) list(names map[string]string, most int) string {
	accounts, regions := p.byAccount()
	more := len(accounts) - most
	if more > 0 {
		accounts = accounts[:most]
	}
	var alike []string // sets of Regions, in order
	with := map[string][]string{}
	for _, a := range accounts {
		set := strings.Join(regions[a], ", ")
		if with[set] == nil {
			alike = append(alike, set)
		}
		with[set] = append(with[set], alert.WithAccount(a, names[a]))
	}
	var out []string
	for _, set := range alike {
		text := strings.Join(with[set], ", ")
		if set != "" {
			text += ": " + set
		}
		out = append(out, text)
	}
	if more > 0 {
		out = append(out, alert.Plural(more, "more account")+": see --json")
	}
	return strings.Join(out, "; ")
}
