package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/smithy-go"
	"github.com/spf13/cobra"

	"flowkeeper/alert"
	"flowkeeper/configs"
	"flowkeeper/internal/accounts"
	"flowkeeper/internal/organization"
	"flowkeeper/internal/store"
	"flowkeeper/internal/term"
)

func newAccountsCommand(a *app) *cobra.Command {
	return newGroup(&cobra.Command{
		Use: "accounts", Short: "The accounts to protect",
		Long: `The accounts to protect: those that the configuration selects of the AWS
organisation, and those under accounts.`,
		Example:    `  flowkeeper accounts list`,
		SuggestFor: []string{"account", "organization", "organisation", "orgs"},
	}, newAccountsListCommand(a))
}

func newAccountsListCommand(a *app) *cobra.Command {
	var which chosenAccounts
	c := a.withJSON("one JSON object a line", &cobra.Command{
		Use: "list", Short: "List the accounts, and whether the role works in each", Args: noArgs,
		Long: `List the accounts to protect by number: the name, the organisational units
above it, whether AWS lets Flowkeeper act there, and what the state file knows:
in how many Regions it was refreshed, how many flow logs are protected, and how
long ago the last refresh was, in the Region where that is longest. Accounts
that have departed are listed with the reason and since when.

It asks AWS Organizations for the accounts as they are now, if the
configuration has organization.role_name, and assumes the role in each account.
It changes nothing. With --offline, or where Organizations does not answer, the
accounts are those of the state file. No state file is needed otherwise, so that
the list can be tried before the daemon first runs.

With --account, only these accounts are asked, and only they decide the exit
code. --failing changes only what is listed.

Exit codes: 0 the role works in each account (the management account does not
count: service-managed StackSets deploy nothing there); 1 it does not in some,
or no account is selected, or the accounts can't be listed; 78 wrong
configuration.`,
		Example: `  flowkeeper accounts list

  # Only the accounts in which the role does not work, and why
  flowkeeper accounts list --failing

  # Only these two accounts
  flowkeeper accounts list --account payments-prod,222233334444

  # What the state file knows, without any call to AWS
  flowkeeper accounts list --offline

  # The numbers of the accounts in which the role does not work
  flowkeeper accounts list --failing --json | jq -r .account`,
	})
	flags := c.Flags()
	flags.StringSliceVar(&which.words, "account", nil, "only this `account`, by its number or its name; several with commas")
	completeFlag(c, "account", severalOf(a.completeFromState(new(filters).offerAccounts)))
	flags.BoolVar(&which.failing, "failing", false, "only those in which the role does not work")
	flags.BoolVar(&which.offline, "offline", false, "do not call AWS: list what the state file knows")
	c.RunE = func(c *cobra.Command, _ []string) error {
		if err := refuseEmpty(c, "account"); err != nil {
			return err
		}
		if which.failing && which.offline {
			return usagef("--failing needs AWS's answers: leave out --offline")
		}
		return listAccounts(c.Context(), a, which)
	}
	return c
}

// chosenAccounts is which accounts `accounts list` lists.
type chosenAccounts struct {
	words   []string // numbers and names; empty: all
	failing bool
	offline bool
}

func listAccounts(ctx context.Context, a *app, which chosenAccounts) error {
	conf, _, err := a.config(needs{})
	if err != nil {
		return err
	}
	known, err := readAccounts(ctx, conf, which.offline)
	if err != nil {
		return err
	}
	var listErr error
	if which.offline {
		known.UseStored()
		err = which.choose(known)
	} else {
		listErr, err = which.ask(ctx, a, conf, known)
	}
	if err != nil {
		return err
	}
	all := known.All()
	printAccounts(a, all, which, known.Asked())
	if listErr != nil {
		a.complain(listErr.Error())
		return errPrinted
	}
	if slices.ContainsFunc(all, func(x accounts.Account) bool { return x.Err != nil && !x.Management }) {
		return errPrinted
	}
	return nil
}

// readAccounts reads what the state file knows of accounts. If there is no state file, that is an error only
// with --offline.
func readAccounts(ctx context.Context, conf configs.Config, offline bool) (*accounts.Known, error) {
	s, err := openState(ctx, conf)
	if errors.Is(err, store.ErrMissing) && !offline {
		return accounts.Read(ctx, conf, nil)
	}
	if err != nil {
		return nil, err
	}
	known, err := accounts.Read(ctx, conf, s)
	return known, errors.Join(err, s.Close())
}

// ask asks AWS for the accounts, and whether the role works in each chosen one. listErr says why the accounts
// can't be listed (then those of the state file are checked), or that no account is to be protected.
func (which chosenAccounts) ask(ctx context.Context, a *app, conf configs.Config, known *accounts.Known) (listErr, err error) {
	base, err := a.awsConfig(ctx, conf, a.warnings())
	if err != nil {
		return nil, err
	}
	if conf.Organization.RoleName == "" {
		known.UseConfigured()
	} else if listErr = askOrganization(ctx, a, base, known); ctx.Err() != nil {
		return nil, ctx.Err()
	}
	if known.Own() {
		askRoles(ctx, a, base, known)
		if own := known.All()[0]; own.Err != nil && len(which.words) > 0 && ctx.Err() == nil {
			return nil, fmt.Errorf("which account these credentials are of is not known: %s", plainText(own.Err))
		}
		return nil, cmp.Or(ctx.Err(), which.choose(known))
	}
	none := known.NoneSelected()
	if err := which.choose(known); err != nil {
		return nil, cmp.Or(listErr, err) // if the accounts can't be listed, an unknown word may be right
	}
	askRoles(ctx, a, base, known)
	return cmp.Or(listErr, none), ctx.Err()
}

func askOrganization(ctx context.Context, a *app, base aws.Config, known *accounts.Known) error {
	p := a.Progress("asking AWS Organizations for the accounts", 0)
	strangers, err := known.AskOrganization(ctx, base, a.now())
	p.End()
	for _, s := range strangers {
		a.Note("%s is no account of the organisation: correct it, or write it under accounts", s)
	}
	return listingError(err)
}

func askRoles(ctx context.Context, a *app, base aws.Config, known *accounts.Known) {
	p := a.Progress("accounts asked", known.ToAsk())
	defer p.End()
	known.AskRoles(ctx, base, p.Step)
}

// choose keeps only the accounts that the words name, by number or name; without words it keeps all.
func (which chosenAccounts) choose(known *accounts.Known) error {
	if len(which.words) == 0 {
		return nil
	}
	names := map[string]string{}
	for _, x := range known.All() {
		names[x.ID] = x.Name
	}
	var ids []string
	for _, word := range which.words {
		found, err := meantAccounts(word, names)
		if err != nil {
			return err
		}
		ids = append(ids, found...)
	}
	known.Choose(ids)
	return nil
}

// listingError returns the error of a listing with what to do, if the error does not say that itself.
func listingError(err error) error {
	if errors.Is(err, organization.ErrIncomplete) {
		return fmt.Errorf("%w: try again", err)
	}
	_, is := errors.AsType[*smithy.OperationError](err)
	if _, advised := errors.AsType[*organization.CallError](err); advised || !is {
		return err
	}
	return fmt.Errorf("%w: %s", err, hintFor(err))
}

func printAccounts(a *app, all []accounts.Account, which chosenAccounts, asked bool) {
	t := a.Table(term.CutTo(12, "NAME"), term.Whole("ACCOUNT"), term.CutTo(12, "OU").KeepEnd().OrDrop(1), term.CutTo(30, "ROLE"),
		term.Whole("REGIONS").OrDrop(3), term.Whole("FLOW LOGS").OrDrop(4), term.Whole("REFRESHED").OrDrop(2))
	failed, departed := 0, 0
	for _, x := range all {
		switch {
		case x.Departed():
			departed++
		case x.Err != nil:
			failed++
			x.RoleError = plainText(x.Err)
		}
		if which.failing && x.Err == nil {
			continue
		}
		t.Add(x, x.Name, x.ID, x.Path, roleCell(a, x), regionsText(x.Regions), x.FlowLogs, cmp.Or(a.ago(x.RefreshedAt.Time), "never"))
	}
	t.Flush()
	if a.JSON {
		return
	}
	protected := len(all) - departed
	what := alert.Plural(protected, "account") + " to protect"
	if len(which.words) > 0 {
		what = alert.Plural(len(all), "account") + " chosen"
	}
	switch {
	case len(all) == 0 && asked: // the error says why
	case len(all) == 0:
		a.Note("no account is known yet: the daemon lists the organisation when it starts, and so does this command without --offline")
	case !asked:
		a.Note("%s, %d departed; AWS was not asked", what, departed)
	default:
		a.Note("%s: the role works in %d, and does not in %d; %d departed", what, protected-failed, failed, departed)
	}
}

// roleCell says whether Flowkeeper can act in the account.
func roleCell(a *app, x accounts.Account) term.Cell {
	switch {
	case x.Departed():
		return term.Colored("departed "+a.ago(x.DepartedAt.Time)+": "+x.Why.Text(x.State), term.Dim)
	case x.RoleWorks == nil:
		return term.Colored("not asked", term.Dim)
	case x.Err == nil:
		return term.Colored("works", term.Green)
	case x.Management:
		return term.Colored("management account, without the role: "+x.RoleError, term.Yellow)
	}
	return term.Colored(x.RoleError, term.Red)
}

// regionsText names one Region or two, and counts more.
func regionsText(regions []string) string {
	switch {
	case len(regions) == 0:
		return "-"
	case len(regions) <= 2:
		return strings.Join(regions, ", ")
	}
	return fmt.Sprint(len(regions))
}
