package main

import (
	"cmp"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"flowkeeper/alert"
	"flowkeeper/internal/doctor"
	"flowkeeper/inventory"
)

// maxNamed is how many places, or fixes, are named each; more are counted.
const maxNamed = 3

// line is a result that is the same in one or more places.
type line struct {
	doctor.Result
	places places
	fixes  []string
}

// mergeResults returns one line for all places with the same result, and one for all
// that are fine if these are many. Where more than maxNamed results differ by nothing but
// their account, their Region and numbers, they are one line as well: one cause in 200 accounts
// is one line. Skipped checks are in the summary.
func mergeResults(group []doctor.Result) (out []line) {
	good, alike := 0, map[string]int{}
	for _, r := range group {
		if r.Status == doctor.OK {
			good++
		}
		alike[cause(r)]++
	}
	together := map[string][]doctor.Result{}
	var keys []string // in order
	for _, r := range group {
		key := string(r.Status) + r.Detail
		switch {
		case r.Status == doctor.Skipped:
			continue
		case r.Status == doctor.OK && good > maxNamed:
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
		out = append(out, lineOf(together[key]))
	}
	return out
}

// lineOf is the line of results that share one.
func lineOf(results []doctor.Result) line {
	l := line{Result: results[0], fixes: fixesOf(results)}
	same, alike := true, true
	for _, r := range results {
		same, alike = same && r.Detail == l.Detail, alike && anywhere(r, r.Detail) == anywhere(results[0], l.Detail)
		l.places = l.places.add(r)
	}
	switch {
	case same:
	case alike:
		l.Detail = anywhere(results[0], l.Detail)
	default:
		l.Detail = "for example " + placeOf(results[0]) + ": " + l.Detail
	}
	return l
}

func placeOf(r doctor.Result) string { return strings.TrimSpace(r.Account + " " + r.Region) }

// fixesOf are the fixes of results that share a line, each once. More than maxNamed that differ
// by nothing but account and Region are one, with ACCOUNT and REGION in their places.
func fixesOf(results []doctor.Result) (out []string) {
	different := map[string][]string{}
	for _, r := range results {
		of := anywhere(r, r.Fix)
		if !slices.Contains(different[of], r.Fix) {
			different[of] = append(different[of], r.Fix)
		}
	}
	for _, r := range results {
		fix := r.Fix
		if of := anywhere(r, fix); len(different[of]) > maxNamed {
			fix = of
		}
		if fix != "" && !slices.Contains(out, fix) {
			out = append(out, fix)
		}
	}
	return out
}

// cause of a result, wherever it is, and whatever its numbers and times are.
func cause(r doctor.Result) string {
	return string(r.Status) + numbers.ReplaceAllString(anywhere(r, r.Detail), "#")
}

// numbers are also durations, as 1h2m3s, and times in RFC 3339.
var numbers = regexp.MustCompile(`[0-9][0-9hms.:TZ-]*`)

// anywhere is a text of a result with ACCOUNT and REGION in the place of its own.
func anywhere(r doctor.Result, text string) string {
	if r.Account != "" {
		text = strings.ReplaceAll(text, r.Account, "ACCOUNT")
	}
	if r.Region != "" {
		text = strings.ReplaceAll(text, r.Region, "REGION")
	}
	return text
}

// places are where a result was found: scopes, or accounts without a Region.
type places []inventory.Scope

// add the place of a result; one of this machine has none.
func (p places) add(r doctor.Result) places {
	if r.Account == "" && r.Region == "" {
		return p
	}
	return append(p, inventory.Scope{Account: r.Account, Region: r.Region})
}

// set are the places, each once and in order, without this machine.
func (p places) set() places {
	sorted := slices.SortedFunc(slices.Values(p), func(a, b inventory.Scope) int {
		return cmp.Or(cmp.Compare(a.Account, b.Account), cmp.Compare(a.Region, b.Region))
	})
	return slices.DeleteFunc(slices.Compact(sorted), func(s inventory.Scope) bool { return s == inventory.Scope{} })
}

// byAccount are the Regions of each account, and the accounts in order.
func (p places) byAccount() (accounts []string, regions map[string][]string) {
	regions = map[string][]string{}
	for _, s := range p.set() {
		if _, known := regions[s.Account]; !known {
			accounts = append(accounts, s.Account)
		}
		if regions[s.Account] = append(regions[s.Account], s.Region); s.Region == "" {
			regions[s.Account] = regions[s.Account][:0]
		}
	}
	return accounts, regions
}

// short names a few places, or counts them; names are those of accounts.
func (p places) short(names map[string]string) string {
	if len(p) <= maxNamed {
		var out []string
		for _, s := range p {
			out = append(out, strings.TrimSpace(alert.WithAccount(s.Account, names[s.Account])+" "+s.Region))
		}
		return strings.Join(out, ", ")
	}
	accounts, _ := p.byAccount()
	of := alert.Plural(len(accounts), "account")
	if len(accounts) == 1 {
		of = alert.WithAccount(accounts[0], names[accounts[0]])
	}
	regions := len(slices.DeleteFunc(slices.Clone(p), func(s inventory.Scope) bool { return s.Region == "" }))
	if regions == 0 || len(accounts) == len(p) {
		return of
	}
	return fmt.Sprintf("%d Regions of %s", regions, of)
}

// long names the places of so many accounts: those with the same Regions together.
func (p places) long(names map[string]string, most int) string {
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
