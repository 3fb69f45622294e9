package doctor

import (
	"cmp"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"

	"flowkeeper/alert"
	"flowkeeper/inventory"
)

// maxNamed is how many places, or fixes, a line names one by one; more are summed up.
const maxNamed = 3

// Line is what people read of results that are alike: of one result, in one place or in many.
type Line struct {
	Result
	Places Places
	Fixes  []string // each once
}

// Lines returns one line for all places with the same result, and one for all that are fine if
// these are many; a noted result has a line of its own. More than maxNamed results that differ
// only in their account, their Region and numbers are one line as well, so that one cause in 200 accounts
// is one line. Results of checks that were skipped are left out.
func Lines(group []Result) (out []Line) {
	good, alike := 0, map[string]int{}
	for _, r := range group {
		if r.Status == OK && !r.noted {
			good++
		}
		alike[cause(r)]++
	}
	together := map[string][]Result{}
	var keys []string // in order
	for _, r := range group {
		key := string(r.Status) + r.Detail
		switch {
		case r.Status == Skipped:
			continue
		case r.Status == OK && !r.noted && good > maxNamed:
			r.Detail, key = "fine", string(r.Status)
		case alike[cause(r)] > maxNamed:
			key = cause(r)
		}
		if together[key] == nil {
			keys = append(keys, key)
		}
		together[key] = append(together[key], r)
	}
	for _, key := range keys {
		out = append(out, newLine(together[key]))
	}
	return out
}

// mostListed is how many accounts AllPlaces lists for a line that does not fail.
const mostListed = 10

// AllPlaces lists the places of a line that can't name all of them: all places if the line fails, else those
// of mostListed accounts. It is empty if there are few places, or if the line is OK. names are those of accounts.
func (l Line) AllPlaces(names map[string]string) string {
	switch {
	case len(l.Places) <= maxNamed || l.Status == OK:
		return ""
	case l.Status == Fail:
		return l.Places.list(names, len(l.Places))
	}
	return l.Places.list(names, mostListed)
}

// newLine makes one line of some results.
func newLine(results []Result) Line {
	l := Line{Result: results[0], Fixes: fixesOf(results)}
	same, alike := true, true
	for _, r := range results {
		same, alike = same && r.Detail == l.Detail, alike && anywhere(r, r.Detail) == anywhere(results[0], l.Detail)
		if r.Account+r.Region != "" { // else it is of this machine
			l.Places = append(l.Places, inventory.Scope{Account: r.Account, Region: r.Region})
		}
	}
	switch {
	case same:
	case alike:
		l.Detail = anywhere(results[0], l.Detail)
	default:
		place := strings.TrimSpace(alert.WithAccount(l.Account, l.AccountName) + " " + l.Region)
		l.Detail = "for example " + place + ": " + l.Detail
	}
	return l
}

// wholeAccounts makes one result of the results of a check that are the same in each Region of an account, unless
// they are OK: their cause is the account's, not a Region's.
func wholeAccounts(group []Result) (out []Result) {
	all, in := map[string][]string{}, map[Result][]string{} // Regions, each once: of an account, and with a result
	for _, r := range group {
		if region := r.Region; r.Account != "" && region != "" {
			r.Region = ""
			all[r.Account], in[r] = addNew(all[r.Account], region), addNew(in[r], region)
		}
	}
	done := map[Result]bool{}
	for _, r := range group {
		whole := r
		whole.Region = ""
		if regions := len(in[whole]); r.Region != "" && r.Status != OK && r.Status != Skipped && regions > 1 && regions == len(all[r.Account]) {
			if done[whole] {
				continue
			}
			done[whole], r = true, whole
		}
		out = append(out, r)
	}
	return out
}

// fixesOf are the fixes of results that share a line, each once. More than maxNamed that differ
// only in account and Region are one fix, with ACCOUNT and REGION in their places.
func fixesOf(results []Result) (out []string) {
	different := map[string][]string{}
	for _, r := range results {
		of := anywhere(r, r.Fix)
		different[of] = addNew(different[of], r.Fix)
	}
	for _, r := range results {
		fix := r.Fix
		if of := anywhere(r, fix); len(different[of]) > maxNamed {
			fix = of
		}
		if fix != "" {
			out = addNew(out, fix)
		}
	}
	return out
}

// cause returns what results with the same cause have in common: the status, and the detail without the account, the
// Region, numbers and times.
func cause(r Result) string {
	return string(r.Status) + numbers.ReplaceAllString(anywhere(r, r.Detail), "#")
}

// numbers matches numbers, durations such as 1h2m3s, and times in RFC 3339.
var numbers = regexp.MustCompile(`[0-9][0-9hms.:TZ-]*`)

// anywhere is a text of a result with ACCOUNT and REGION instead of the result's account and Region.
func anywhere(r Result, text string) string {
	if r.Account != "" {
		text = strings.ReplaceAll(text, alert.WithAccount(r.Account, r.AccountName), "ACCOUNT")
		text = strings.ReplaceAll(text, r.Account, "ACCOUNT")
	}
	if r.Region != "" {
		text = strings.ReplaceAll(text, r.Region, "REGION")
	}
	return text
}

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

// list names the places of at most most accounts. Accounts with the same Regions are named together.
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
