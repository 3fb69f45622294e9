package main

import (
	"cmp"
	"context"
	"errors"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"flowkeeper/internal/recordsource"
	"flowkeeper/internal/store"
	"flowkeeper/internal/term"
)

// replayChoice is which records to replay, as the flags say, and whose bucket they are in.
type replayChoice struct {
	recordsource.Selection
	owner string // --bucket-owner
	day   string // --to, if it is a date without a time; To is then the end of that day
}

func (r *replayChoice) flags(a *app, c *cobra.Command) {
	flags := c.Flags()
	flags.Func("from", "only calls since this `time`: 2h, 7d, 2026-03-01 or RFC 3339; in UTC, unless it has a zone", func(v string) (err error) {
		r.From, err = parseSince(v, a.now())
		return err
	})
	flags.Func("to", "only calls before this `time`; of a day alone, the whole day too", func(v string) (err error) {
		r.To, err = parseTime(v, a.now())
		r.day = ""
		if _, dayErr := time.Parse(time.DateOnly, v); dayErr == nil {
			r.day, r.To = v, r.To.AddDate(0, 0, 1)
		}
		return err
	})
	flags.StringSliceVar(&r.Accounts, "account", nil, "only records of this `account`, by its number or its name; several with commas")
	flags.StringSliceVar(&r.Regions, "region", nil, "only records of this `Region`; several with commas (IAM's are in us-east-1)")
	flags.StringVar(&r.owner, "bucket-owner", "", "read a bucket only if it belongs to this `account`")
	for _, name := range []string{"from", "to"} {
		completeFlag(c, name, cobra.FixedCompletions([]string{"1h", "1d", "7d"}, cobra.ShellCompDirectiveNoFileComp))
	}
	completeFlag(c, "account", severalOf(a.completeFromState(new(filters).offerAccounts)))
	completeFlag(c, "region", severalOf(a.completeFromState(new(filters).knownRegions)))
}

// check refuses values that nothing can match: people would take an empty result to mean that nothing happened.
// Accounts and Regions need not be known to Flowkeeper: records may be of any.
func (r *replayChoice) check() error {
	if err := checkRegions(r.Regions); err != nil {
		return err
	}
	if r.owner != "" && !accountID.MatchString(r.owner) {
		return usagef("--bucket-owner %s: twelve digits, such as 111122223333", r.owner)
	}
	if !r.From.IsZero() && !r.To.IsZero() && !r.From.Before(r.To) {
		return usagef("--from (%s) must be before --to (%s)", term.Minute(r.From), r.to())
	}
	return nil
}

// accountID is the form of an account's number.
var accountID = regexp.MustCompile(`^[0-9]{12}$`)

// resolveAccounts replaces the names of accounts by their numbers, which the state file knows.
// Numbers need no state file: records may be of any account.
func (r *replayChoice) resolveAccounts(ctx context.Context, a *app) error {
	name := slices.IndexFunc(r.Accounts, func(v string) bool { return !accountID.MatchString(v) })
	if name < 0 {
		return nil
	}
	accounts := choice{values: &r.Accounts, resolve: func(ctx context.Context, s state, word string) ([]string, error) {
		if accountID.MatchString(word) {
			return []string{word}, nil
		}
		return new(filters).resolveAccount(ctx, s, word)
	}}
	err := a.withState(ctx, func(s state) error { return accounts.apply(ctx, s) })
	if errors.Is(err, store.ErrMissing) {
		return usagef("--account %s: there is no state file to find this name in: write twelve digits, such as 111122223333", cmp.Or(term.Clean(r.Accounts[name]), `""`))
	}
	return err
}

// words are the flags that were given, with the times in UTC.
func (r *replayChoice) words() string {
	var words []string
	add := func(flag, value string) {
		if value != "" {
			words = append(words, "--"+flag+" "+value)
		}
	}
	add("from", term.Minute(r.From))
	add("to", r.to())
	add("account", strings.Join(r.Accounts, ","))
	add("region", strings.Join(r.Regions, ","))
	return strings.Join(words, ", ")
}

// to is --to as the user wrote it: a day, or a time in UTC; empty: it was not given.
func (r *replayChoice) to() string { return cmp.Or(r.day, term.Minute(r.To)) }
