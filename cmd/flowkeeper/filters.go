package main

import (
	"context"
	"fmt"
	"slices"
	"strings"

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
	shown        int      // of the latest on a terminal without --limit; 0: all
	choices      []choice
	n            int // listed so far
}

// terminalLimit is how many of the latest a terminal shows: the rest would push
// them off the screen.
const terminalLimit = 50

// newFilters adds the flags to a list. since says what is compared.
func newFilters(a *app, c *cobra.Command, allowed []string, since string, shown int) *filters {
	f := &filters{a: a, c: c, allowed: allowed, shown: shown}
	flags := c.Flags()
	// Other commands name the state file with --state, and so may these, by a value that
	// looks like a file.
	flags.Func("state", "only in this `state`: "+strings.Join(allowed, ", ")+" (what has a / or . in it names the state file instead)", func(v string) error {
		if strings.ContainsAny(v, "/.") {
			a.stateFile = v
		} else {
			f.States = append(f.States, strings.Split(v, ",")...)
		}
		return nil
	})
	completeFlag(c, "state", func(_ *cobra.Command, _ []string, prefix string) ([]string, cobra.ShellCompDirective) {
		if strings.ContainsAny(prefix, "/.") {
			return nil, cobra.ShellCompDirectiveDefault // the state file
		}
		return allowed, cobra.ShellCompDirectiveNoFileComp
	})
	f.choose("only of this `account`, twelve digits", choice{flag: "account", values: &f.Accounts, form: accountID, fix: "twelve digits, such as 111122223333",
		known: f.known(func(x inventory.Scope) string { return x.Account })})
	f.choose("only of this `Region`", choice{flag: "region", values: &f.Regions, form: regionID, fix: "a Region looks like eu-west-1",
		known: f.known(func(x inventory.Scope) string { return x.Region })})
	flags.Func("since", since+" since this `time`: 2h, 7d, 1d12h, 2026-03-01 or RFC 3339, in UTC", func(v string) (err error) {
		f.Since, err = parseSince(v, a.now())
		return err
	})
	completeFlag(c, "since", cobra.FixedCompletions([]string{"1h", "1d", "7d"}, cobra.ShellCompDirectiveNoFileComp))
	limit := "at most `n`; 0: all"
	if shown > 0 {
		limit = fmt.Sprintf("at most `n`, the latest; 0: all (default: %d on a terminal, else all)", shown)
	}
	flags.IntVar(&f.Limit, "limit", 0, limit)
	completeFlag(c, "limit", cobra.FixedCompletions([]string{"10", "100", "0"}, cobra.ShellCompDirectiveNoFileComp))
	return f
}

// choose adds the flag of a choice.
func (f *filters) choose(usage string, n choice) {
	f.c.Flags().StringSliceVar(n.values, n.flag, nil, usage)
	completeFlag(f.c, n.flag, f.a.completeFromState(func(ctx context.Context, s state, _ string) ([]string, error) { return n.known(ctx, s) }))
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
		if err := n.checkForm(); err != nil {
			return err
		}
	}
	if f.Limit < 0 {
		return usagef("--limit %d: how many, or 0 for all", f.Limit)
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
				if err := n.checkKnown(c.Context(), s); err != nil {
					return err
				}
			}
			if f.limited() {
				f.Limit = f.shown + 1 // one more shows that there are more
			}
			return fn(c.Context(), s, f)
		})
	}
}

// limited reports whether only the latest are shown: --limit is absent, and the list goes
// to a terminal.
func (f *filters) limited() bool {
	return f.shown > 0 && f.a.Terminal && !f.a.JSON && !f.c.Flags().Changed("limit")
}

// next counts one result, and reports whether to show it.
func (f *filters) next() bool {
	f.n++
	return !f.limited() || f.n <= f.shown
}

// summary says on stderr that a list is empty, or not all. none is the text if it
// is empty without any filter.
func (f *filters) summary(things, none string) {
	switch {
	case f.a.JSON:
	case f.n == 0 && f.filtered():
		f.a.Note("no %s that match", things)
	case f.n == 0:
		f.a.Note("%s", none)
	case f.limited() && f.n > f.shown:
		f.a.Note("the latest %d are shown: --limit 0 shows all", f.shown)
	}
}

// filtered reports whether there is a filter.
func (f *filters) filtered() bool {
	return len(f.States)+len(f.Accounts)+len(f.Regions)+len(f.Sinks) > 0 || f.Held || !f.Since.IsZero()
}
