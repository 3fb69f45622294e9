package main

import (
	"context"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"flowkeeper/internal/store"
)

// filters are the flags that choose what a list shows.
type filters struct {
	a        *app
	c        *cobra.Command
	n        int      // listed so far
	allowed  []string // states
	usual    int      // limit on a terminal; 0: none
	states   []string
	accounts []string
	regions  []string
	sinks    []string
	since    string
	limit    int
	// alerts are listed: they may be about accounts without flow logs.
	alerts bool
}

// usualLimit is how many of the latest a terminal shows: the rest would push
// them off the screen.
const usualLimit = 50

// filterFlags adds the flags to a list. since says what is compared.
func (a *app) filterFlags(c *cobra.Command, allowed []string, since string, usual int) *filters {
	f := &filters{a: a, c: c, allowed: allowed, usual: usual}
	flags := c.Flags()
	flags.Var(&stateFlag{&f.states, &a.stateFile}, "state", "only in this `state`: "+strings.Join(allowed, ", ")+" (what has a / or . in it names the state file instead)")
	flags.StringSliceVar(&f.accounts, "account", nil, "only of this `account`, twelve digits")
	flags.StringSliceVar(&f.regions, "region", nil, "only of this `Region`")
	flags.StringVar(&f.since, "since", "", since+" since this `time`: 2h, 7d, 1d12h, 2026-03-01 or RFC 3339, in UTC")
	limit := "at most `n`; 0: all"
	if usual > 0 {
		limit = fmt.Sprintf("at most `n`, the latest; 0: all (default: %d on a terminal, else all)", usual)
	}
	flags.IntVar(&f.limit, "limit", 0, limit)
	a.completeFilters(c, allowed)
	return f
}

// stateFlag is --state of a list: a state to choose by. Other commands name
// the state file with it, and so may these, by a value that looks like a file.
type stateFlag struct {
	words *[]string
	file  *string
}

func (s *stateFlag) Set(v string) error {
	if strings.ContainsAny(v, "/.") {
		*s.file = v
		return nil
	}
	*s.words = append(*s.words, strings.Split(v, ",")...)
	return nil
}

func (s *stateFlag) String() string {
	if s.words == nil {
		return ""
	}
	return strings.Join(*s.words, ",")
}

func (s *stateFlag) Type() string { return "state" }

// check sees that the flags make sense, before anything is opened.
func (f *filters) check() error {
	for _, v := range f.states {
		switch {
		case slices.Contains(f.allowed, v):
		case v == "":
			return usagef("--state %s: one of %s", seen(v), strings.Join(f.allowed, ", "))
		case v == "failing" && f.c.Flags().Lookup("failed") != nil:
			return usagef("--state failing: --failed has what a sink refuses; a state is one of %s", strings.Join(f.allowed, ", "))
		default:
			return usagef("--state %s: one of %s (a state file has a / or . in its name: ./%s)", v, strings.Join(f.allowed, ", "), v)
		}
	}
	for _, v := range f.accounts {
		if !accountID.MatchString(v) {
			return usagef("--account %s: twelve digits, such as 111122223333", seen(v))
		}
	}
	for _, v := range f.regions {
		if !regionID.MatchString(v) {
			return usagef("--region %s: a Region looks like eu-west-1", seen(v))
		}
	}
	if f.limit < 0 {
		return usagef("--limit %d: how many, or 0 for all", f.limit)
	}
	_, err := parseSince(f.since, f.a.now())
	return err
}

// seen is a value as typed, that nothing is seen too: what stands behind a last
// comma.
func seen(v string) string {
	if v == "" {
		return `""`
	}
	return v
}

// list is the code of a list: fn shows what the filter lets through.
func (f *filters) list(fn func(ctx context.Context, s state, filter store.Filter) error) func(*cobra.Command, []string) error {
	return func(c *cobra.Command, _ []string) error {
		if err := f.check(); err != nil {
			return err
		}
		return f.a.withState(c.Context(), func(s state) error {
			filter, err := f.filter(c.Context(), s)
			if err != nil {
				return err
			}
			return fn(c.Context(), s, filter)
		})
	}
}

// filter is what the store is asked for.
func (f *filters) filter(ctx context.Context, s state) (store.Filter, error) {
	since, err := parseSince(f.since, f.a.now())
	if err != nil {
		return store.Filter{}, err
	}
	if err := f.known(ctx, s); err != nil {
		return store.Filter{}, err
	}
	limit := f.limit
	if f.usually() {
		limit = f.usual + 1 // one more shows that there are more
	}
	return store.Filter{States: f.states, Accounts: f.accounts, Regions: f.regions, Sinks: f.sinks, Since: since, Limit: limit}, nil
}

// usually reports whether nobody said how many, and people are to see them.
func (f *filters) usually() bool {
	return f.usual > 0 && f.a.terminal && !f.a.json && !f.c.Flags().Changed("limit")
}

// next counts one, and reports whether it is to be shown.
func (f *filters) next() bool {
	f.n++
	return !f.usually() || f.n <= f.usual
}

// summary says on stderr what the list itself can't: that it is empty, in the
// words of none if nothing was chosen, or not all.
func (f *filters) summary(things, none string) {
	switch {
	case f.a.json:
	case f.n == 0 && f.any():
		f.a.note("no %s that match", things)
	case f.n == 0:
		f.a.note("%s", none)
	case f.usually() && f.n > f.usual:
		f.a.note("the latest %d are shown: --limit 0 shows all", f.usual)
	}
}

// any reports whether anything was chosen.
func (f *filters) any() bool {
	return len(f.states)+len(f.accounts)+len(f.regions)+len(f.sinks) > 0 || f.since != ""
}

// known refuses accounts, Regions and sinks that nothing is known of: an empty
// list would look like good news.
func (f *filters) known(ctx context.Context, s state) error {
	if len(f.accounts)+len(f.regions) > 0 {
		accounts, regions, err := places(ctx, s)
		if err == nil && f.alerts {
			accounts, regions, err = alertPlaces(ctx, s, accounts, regions)
		}
		if err != nil {
			return err
		}
		if err := f.among("account", f.accounts, accounts); err != nil {
			return err
		}
		if err := f.among("region", f.regions, regions); err != nil {
			return err
		}
	}
	if len(f.sinks) == 0 {
		return nil
	}
	names, err := sinkNames(ctx, s)
	if err != nil {
		return err
	}
	return f.among("sink", f.sinks, names)
}

func (f *filters) among(flag string, values, known []string) error {
	for _, v := range values {
		switch {
		case slices.Contains(known, v):
		case len(known) == 0:
			return usagef("--%s %s: the state file knows none yet", flag, v)
		default:
			return usagef("--%s %s: known are %s", flag, v, strings.Join(known, ", "))
		}
	}
	return nil
}

// places are the accounts and Regions that the state file or the configuration
// names.
func places(ctx context.Context, s state) (accounts, regions []string, err error) {
	scopes, err := s.Scopes(ctx)
	if err != nil {
		return nil, nil, err
	}
	for _, x := range scopes {
		accounts, regions = append(accounts, x.Account), append(regions, x.Region)
	}
	for _, x := range s.conf.Accounts {
		accounts = append(accounts, x.ID)
	}
	for _, x := range s.conf.Inventory.Regions {
		if x != "all" {
			regions = append(regions, x)
		}
	}
	return tidied(accounts), tidied(regions), nil
}

// alertPlaces adds those that alerts name.
func alertPlaces(ctx context.Context, s state, accounts, regions []string) ([]string, []string, error) {
	scopes, err := s.AlertScopes(ctx)
	for _, x := range scopes {
		if x.Account != "" {
			accounts = append(accounts, x.Account)
		}
		if x.Region != "" {
			regions = append(regions, x.Region)
		}
	}
	return tidied(accounts), tidied(regions), err
}

func sinkNames(ctx context.Context, s state) ([]string, error) {
	names, err := s.SinkNames(ctx)
	for _, x := range s.conf.Alerts {
		names = append(names, x.Name)
	}
	return tidied(append(names, "log")), err
}

func tidied(words []string) []string {
	slices.Sort(words)
	return slices.Compact(words)
}

var spanForm = regexp.MustCompile(`^(?:([0-9]{1,4})w)?(?:([0-9]{1,4})d)?(.*)$`)

// readSpan reads how long: as Go writes it, with weeks and days before that.
func readSpan(text string) (time.Duration, bool) {
	m := spanForm.FindStringSubmatch(text)
	if m == nil {
		return 0, false
	}
	weeks, _ := strconv.Atoi("0" + m[1])
	days, _ := strconv.Atoi("0" + m[2])
	long := time.Duration(7*weeks+days) * 24 * time.Hour
	if m[3] == "" {
		return long, text != ""
	}
	rest, err := time.ParseDuration(m[3])
	if err != nil || long > 0 && rest < 0 || long+rest < rest {
		return 0, false
	}
	return long + rest, true
}

// spanFlag is a flag that says how long.
type spanFlag struct{ d *time.Duration }

func (s spanFlag) Set(text string) error {
	d, ok := readSpan(text)
	if !ok {
		return usagef("write how long, such as 90s, 2h or 7d")
	}
	*s.d = d
	return nil
}

func (s spanFlag) String() string {
	if s.d == nil {
		return ""
	}
	return tidy(*s.d)
}

func (s spanFlag) Type() string { return "duration" }

// parseSince reads --since; empty: the beginning of all.
func parseSince(text string, now time.Time) (time.Time, error) {
	at, ok := readTime(text, now)
	switch {
	case text == "":
		return time.Time{}, nil
	case !ok:
		return at, usagef("--since %s: write how long ago (90m, 2h, 7d) or when (2026-03-01, 2026-03-01T12:00:00Z)", text)
	case at.After(now):
		return at, usagef("--since %s: that lies ahead", text)
	}
	return at, nil
}

func readTime(text string, now time.Time) (time.Time, bool) {
	if d, ok := readSpan(text); ok {
		return now.Add(-d), d >= 0
	}
	for _, layout := range []string{time.RFC3339, time.DateOnly, "2006-01-02 15:04:05 UTC", time.DateTime, "2006-01-02 15:04", "2006-01-02T15:04"} {
		if t, err := time.ParseInLocation(layout, text, time.UTC); err == nil {
			return t, true
		}
	}
	return time.Time{}, false
}
