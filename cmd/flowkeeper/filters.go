package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"flowkeeper/internal/store"
	"flowkeeper/inventory"
)

// filters are the flags that choose what a list shows.
type filters struct {
	store.Filter // what the flags say
	a            *app
	c            *cobra.Command
	allowed      []string // states
	alerts       bool     // alerts are listed: they may be about accounts without flow logs
	shown        int      // how many of the latest are shown; 0: all that Filter selects
	more         string   // how to see all, if there are more than are shown
	choices      []choice
	n            int // listed so far
}

// terminalLimit is how many of the latest a terminal shows: the rest would push
// them off the screen.
const terminalLimit = 50

// newFilters adds the flags to a list. since says which time --since compares; shown is how many a
// terminal shows, 0 all.
func newFilters(a *app, c *cobra.Command, allowed []string, since string, shown int) *filters {
	f := &filters{a: a, c: c, allowed: allowed, shown: shown}
	flags := c.Flags()
	// Other commands name the state file with --state. Lists allow that too: a value that
	// looks like a file names it.
	flags.Func("state", "only in this `state`: "+strings.Join(allowed, ", ")+" (what has a / or . in it names the state file instead)", func(v string) error {
		if strings.ContainsAny(v, "/.") {
			a.stateFile = v
		} else {
			f.States = append(f.States, strings.Split(v, ",")...)
		}
		return nil
	})
	completeFlag(c, "state", severalOf(func(_ *cobra.Command, _ []string, prefix string) ([]string, cobra.ShellCompDirective) {
		if strings.ContainsAny(prefix, "/.") {
			return nil, cobra.ShellCompDirectiveDefault // the state file
		}
		return allowed, cobra.ShellCompDirectiveNoFileComp
	}))
	f.choose("only of this `account`, by its number or its name", choice{flag: "account", values: &f.Accounts, offer: f.offerAccounts, resolve: f.resolveAccount})
	f.choose("only of this `resource`, by its ID or its tag Name", choice{flag: "resource", values: &f.Resources, offer: wordsOf(store.LiveResources), resolve: resolveResource})
	f.choose("only of this `Region`", among("region", &f.Regions, f.knownRegions))
	flags.Func("since", since+" since this `time`: 2h, 7d, 1d12h, 2026-03-01 or RFC 3339, in UTC", func(v string) (err error) {
		f.Since, err = parseSince(v, a.now())
		return err
	})
	completeFlag(c, "since", cobra.FixedCompletions([]string{"1h", "1d", "7d"}, cobra.ShellCompDirectiveNoFileComp))
	limit := "at most `n`; 0: all"
	if shown > 0 {
		limit = fmt.Sprintf("at most `n`, the latest; 0: all (default: %d on a terminal, else all)", shown)
	}
	flags.Func("limit", limit, func(v string) (err error) {
		if f.Limit, err = strconv.Atoi(v); err != nil || f.Limit < 0 {
			return usagef("write a whole number, or 0 for all")
		}
		return nil
	})
	completeFlag(c, "limit", cobra.FixedCompletions([]string{"10", "100", "0"}, cobra.ShellCompDirectiveNoFileComp))
	return f
}

func (f *filters) choose(usage string, n choice) {
	f.c.Flags().StringSliceVar(n.values, n.flag, nil, usage)
	completeFlag(f.c, n.flag, severalOf(f.a.completeFromState(n.offer)))
	f.choices = append(f.choices, n)
}

// check refuses wrong flags before anything is opened.
func (f *filters) check() error {
	for _, v := range f.States {
		switch {
		case slices.Contains(f.allowed, v):
		case v == "":
			return usagef("--state \"\": one of %s", strings.Join(f.allowed, ", "))
		case v == "failing" && f.c.Flags().Lookup("failed") != nil:
			return usagef("--state failing: --failed has what a sink refuses; a state is one of %s", strings.Join(f.allowed, ", "))
		default:
			return usagef("--state %s: one of %s (a state file has a / or . in its name: ./%s)", v, strings.Join(f.allowed, ", "), v)
		}
	}
	for _, n := range f.choices {
		if err := refuseEmpty(f.c, n.flag); err != nil {
			return err
		}
	}
	return checkRegions(f.Regions)
}

// refuseEmpty refuses flags with an empty value, as an unset variable of the shell gives: an empty
// value would select everything.
func refuseEmpty(c *cobra.Command, flags ...string) error {
	for _, name := range flags {
		if f := c.Flags().Lookup(name); f.Changed && strings.Trim(f.Value.String(), "[]") == "" {
			return usagef("--%s \"\": name one, or leave out the flag", name)
		}
	}
	return nil
}

// regionID is the form of a Region's name. A list of all Regions would be incomplete once AWS opens another. Each
// name ends with a number: eu-west is no Region.
var regionID = regexp.MustCompile(`^[a-z]{2,}(-[a-z0-9]+)+-[0-9]+$`)

func checkRegions(values []string) error {
	for _, v := range values {
		if !regionID.MatchString(v) {
			return usagef("--region %s: a Region looks like eu-west-1", cmp.Or(v, `""`))
		}
	}
	return nil
}

// list is the code of a list command: fn prints what matches the filter.
func (f *filters) list(fn func(ctx context.Context, s state, f *filters) error) func(*cobra.Command, []string) error {
	return func(c *cobra.Command, _ []string) error {
		if err := f.check(); err != nil {
			return err
		}
		return f.a.withState(c.Context(), func(s state) error {
			for _, n := range f.choices {
				if err := n.apply(c.Context(), s); err != nil {
					return err
				}
			}
			switch {
			case !f.a.Terminal || f.a.JSON || c.Flags().Changed("limit"):
				f.shown = 0
			case f.shown > 0:
				f.Limit = f.shown + 1 // one more shows that there are more
				f.more = fmt.Sprintf("the latest %d are shown: --limit 0 shows all", f.shown)
			}
			return fn(c.Context(), s, f)
		})
	}
}

// next counts one result, and reports whether to show it.
func (f *filters) next() bool {
	f.n++
	return f.shown == 0 || f.n <= f.shown
}

// summary says on stderr that a list is empty or incomplete. none is the text for a list
// that is empty without any filter.
func (f *filters) summary(things, none string) {
	switch {
	case f.a.JSON:
	case f.n == 0 && f.filtered():
		f.a.Note("no %s that match", things)
	case f.n == 0:
		f.a.Note("%s", none)
	case f.shown > 0 && f.n > f.shown:
		f.a.Note("%s", f.more)
	}
}

func (f *filters) filtered() bool {
	return len(f.States)+len(f.Accounts)+len(f.Regions)+len(f.Resources)+len(f.Sinks) > 0 || f.Held || !f.Since.IsZero()
}

// choice is a flag whose values are names in the state file or in the configuration.
// Other names are refused: people would take an empty list to mean that nothing happened.
type choice struct {
	flag   string
	values *[]string // a field of the filter

	offer   lookup // what a shell completes with
	resolve lookup // what a value stands for
}

// among returns a choice whose values must be names that known finds.
func among(flag string, values *[]string, known lookup) choice {
	return choice{flag: flag, values: values, offer: known, resolve: func(ctx context.Context, s state, word string) ([]string, error) {
		names, err := known(ctx, s, "")
		switch {
		case err != nil || slices.Contains(names, word):
			return []string{word}, err
		case len(names) == 0:
			return nil, usagef("--%s %s: the state file knows none yet", flag, word)
		}
		return nil, usagef("--%s %s: known are %s", flag, word, strings.Join(names, ", "))
	}}
}

// apply replaces the values of the flag by what they stand for.
func (n choice) apply(ctx context.Context, s state) error {
	var found []string
	for _, v := range *n.values {
		ids, err := n.resolve(ctx, s, v)
		if err != nil {
			return err
		}
		found = append(found, ids...)
	}
	*n.values = sortedSet(found)
	return nil
}

// known returns the accounts and the Regions that the state file or the configuration names. Each account has its
// name, which may be empty.
func (f *filters) known(ctx context.Context, s state) (accounts map[string]string, regions []string, err error) {
	scopes, err := s.Scopes(ctx)
	if err == nil && f.alerts {
		var more []inventory.Scope
		more, err = s.AlertScopes(ctx)
		scopes = append(scopes, more...)
	}
	names, namesErr := s.AccountNames(ctx)
	accounts = map[string]string{}
	for _, x := range scopes {
		accounts[x.Account] = ""
		regions = append(regions, x.Region)
	}
	for _, x := range s.conf.Accounts {
		accounts[x.ID] = ""
	}
	maps.Copy(accounts, names)
	delete(accounts, "") // an alert may be about no account
	regions = sortedSet(append(regions, s.conf.Inventory.Regions...))
	return accounts, slices.DeleteFunc(regions, func(r string) bool { return r == "all" }), errors.Join(err, namesErr)
}

func (f *filters) knownRegions(ctx context.Context, s state, _ string) ([]string, error) {
	_, regions, err := f.known(ctx, s)
	return regions, err
}

func sinkNames(ctx context.Context, s state, _ string) ([]string, error) {
	names, err := s.SinkNames(ctx)
	for _, x := range s.conf.Alerts {
		names = append(names, x.Name)
	}
	return sortedSet(append(names, "log")), err
}

// sortedSet sorts the words, and removes repeated and empty ones.
func sortedSet(words []string) []string {
	slices.Sort(words)
	return slices.DeleteFunc(slices.Compact(words), func(w string) bool { return w == "" })
}

var spanForm = regexp.MustCompile(`(?s)^(?:([0-9]{1,4})w)?(?:([0-9]{1,4})d)?(.*)$`)

// readSpan parses a length of time in Go's form, which weeks and days may precede: 1w2d3h.
func readSpan(text string) (time.Duration, error) {
	m := spanForm.FindStringSubmatch(text)
	weeks, _ := strconv.Atoi("0" + m[1])
	days, _ := strconv.Atoi("0" + m[2])
	long := time.Duration(7*weeks+days) * 24 * time.Hour
	rest, err := time.ParseDuration(cmp.Or(m[3], "0s"))
	mixedSigns := long > 0 && rest < 0
	overflows := long+rest < rest
	if err != nil || text == "" || mixedSigns || overflows {
		return 0, usagef("write how long, such as 90s, 2h or 7d")
	}
	return long + rest, nil
}

// parseSince parses a time in the past.
func parseSince(text string, now time.Time) (time.Time, error) {
	at, err := parseTime(text, now)
	if err == nil && at.After(now) {
		err = usagef("that is in the future")
	}
	return at, err
}

// parseTime parses a time, or how long ago it was.
func parseTime(text string, now time.Time) (time.Time, error) {
	if d, err := readSpan(text); err == nil && d >= 0 {
		return now.Add(-d), nil
	}
	for _, layout := range []string{time.RFC3339, time.DateOnly, "2006-01-02 15:04:05 UTC", time.DateTime, "2006-01-02 15:04", "2006-01-02T15:04"} {
		if t, err := time.ParseInLocation(layout, text, time.UTC); err == nil {
			return t, nil
		}
	}
	return time.Time{}, usagef("write how long ago (90m, 2h, 7d) or when (2026-03-01, 2026-03-01T12:00:00Z)")
}
