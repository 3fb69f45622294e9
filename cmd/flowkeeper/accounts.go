package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/smithy-go"
	"github.com/spf13/cobra"
	"golang.org/x/sync/errgroup"

	"flowkeeper/alert"
	"flowkeeper/configs"
	"flowkeeper/internal/daemon"
	"flowkeeper/internal/organization"
	"flowkeeper/internal/scopes"
	"flowkeeper/internal/store"
	"flowkeeper/internal/term"
	"flowkeeper/inventory"
)

func newAccountsCommand(a *app) *cobra.Command {
	c := newGroup("accounts", "The accounts to protect", newAccountsListCommand(a))
	c.Long = `The accounts to protect: those that the configuration selects of the AWS
organisation, and those under accounts.`
	c.Example = `  flowkeeper accounts list`
	c.SuggestFor = []string{"account", "organization", "organisation", "orgs"}
	return c
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
		if err := noneEmpty(c, "account"); err != nil {
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

// accountJSON is one account; a public contract as those of contract.go.
type accountJSON struct {
	Account     string     `json:"account"`
	Name        string     `json:"name,omitempty"`
	Path        string     `json:"path,omitempty"`  // the names of the root and the OUs above it
	State       string     `json:"state,omitempty"` // as AWS Organizations names it
	Management  bool       `json:"management,omitempty"`
	Source      string     `json:"source"` // organization or accounts
	ProtectedAt alert.Time `json:"protected_at,omitzero"`
	DepartedAt  alert.Time `json:"departed_at,omitzero"`
	Departed    string     `json:"departed,omitempty"` // left, inactive or deselected
	RoleARN     string     `json:"role_arn,omitempty"`
	RoleWorks   *bool      `json:"role_works,omitempty"` // absent: AWS was not asked
	RoleError   string     `json:"role_error,omitempty"`
	Regions     []string   `json:"regions,omitempty"`
	FlowLogs    int        `json:"protected_flow_logs"`
	RefreshedAt alert.Time `json:"refreshed_at,omitzero"` // in the Region where it is longest ago
}

// roster is what is known of the accounts.
type roster struct {
	conf      configs.Config
	partition string                // as the state file has it; empty: it does not
	accounts  []scopes.Account      // to protect
	members   []organization.Member // of the organisation
	counts    store.Counts
	answers   map[string]error // of AWS, by account; nil: not asked
}

func listAccounts(ctx context.Context, a *app, which chosenAccounts) error {
	r, err := newRoster(ctx, a, which.offline)
	if err != nil {
		return err
	}
	asked := error(nil)
	if which.offline {
		r.accounts = daemon.ProtectedAccounts(r.conf, cmp.Or(r.partition, inventory.Partition(r.conf.AWS.Region)), r.members)
		err = r.choose(which.words)
	} else {
		asked, err = r.ask(ctx, a, which.words)
	}
	if err != nil {
		return err
	}
	rows := r.rows()
	r.print(a, rows, which)
	if asked != nil {
		a.complain(asked.Error())
		return errPrinted
	}
	if slices.ContainsFunc(rows, func(x accountJSON) bool { return x.fails() && !x.Management }) {
		return errPrinted
	}
	return nil
}

// newRoster reads the configuration and the state file. Without a state file nothing is known
// yet; that is an error only if AWS is not to be asked.
func newRoster(ctx context.Context, a *app, offline bool) (r *roster, err error) {
	r = &roster{}
	if r.conf, _, err = a.config(needs{}); err != nil {
		return nil, err
	}
	s, err := openState(ctx, r.conf)
	if errors.Is(err, store.ErrMissing) && !offline {
		return r, nil
	}
	if err != nil {
		return nil, err
	}
	if r.members, _, err = s.Accounts(ctx); err == nil {
		r.counts, err = s.Counts(ctx)
	}
	if err == nil {
		r.partition, err = daemon.StoredPartition(ctx, s)
	}
	return r, errors.Join(err, s.Close())
}

// ask asks AWS for the accounts and for the role in each that the words mean. asked is why the
// accounts can't be listed, and those of the state file are asked then; or that none is to be
// protected.
func (r *roster) ask(ctx context.Context, a *app, words []string) (asked, err error) {
	base, err := a.awsConfig(ctx, r.conf, a.warnings())
	if err != nil {
		return nil, err
	}
	var listed []organization.Account
	if o := r.conf.Organization; o.RoleName != "" {
		p := a.Progress("asking AWS Organizations for the accounts", 0)
		l, err := organization.List(ctx, organization.Client(base, o), o.Include, o.Exclude)
		p.End()
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		listed = l.Accounts
		if asked = unlisted(err); err == nil {
			r.members = organization.Merge(r.members, organization.Compare(r.members, l, a.now()))
			for _, s := range l.Strangers {
				a.Note("%s is no account of the organisation: correct it, or write it under accounts", s)
			}
		}
	}
	if r.conf.Organization.RoleName == "" {
		r.accounts = daemon.ProtectedAccounts(r.conf, "", nil)
	} else {
		r.accounts = daemon.ProtectedAccounts(r.conf, scopes.LikelyPartition(ctx, base), r.members)
	}
	choose := func() error { // a word that is not known is no mistake of the reader's where the accounts can't be listed
		if err := r.choose(words); err != nil {
			return cmp.Or(asked, err)
		}
		return nil
	}
	switch {
	case len(r.accounts) > 0:
		if err := choose(); err != nil {
			return nil, err
		}
		r.answers = r.verify(ctx, a, base)
		return asked, ctx.Err()
	case r.conf.Organization.RoleName == "": // the credentials' own, whose number AWS says
		r.accounts = []scopes.Account{{}}
		r.answers = r.verify(ctx, a, base)
		if err := r.answers[""]; err != nil && len(words) > 0 && ctx.Err() == nil {
			return nil, fmt.Errorf("which account these credentials are of is not known: %s", whyNot(err))
		}
		return asked, cmp.Or(ctx.Err(), choose())
	}
	r.answers = map[string]error{}
	return cmp.Or(asked, noneSelected(listed)), choose()
}

// choose leaves the accounts that the words mean, numbers or names; no word: all.
func (r *roster) choose(words []string) error {
	if len(words) == 0 {
		return nil
	}
	known := map[string]string{}
	for _, x := range r.rows() {
		known[x.Account] = x.Name
	}
	var ids []string
	for _, word := range words {
		found, err := meantAccounts(word, known)
		if err != nil {
			return err
		}
		ids = append(ids, found...)
	}
	r.accounts = slices.DeleteFunc(r.accounts, func(a scopes.Account) bool { return !slices.Contains(ids, a.ID) })
	r.members = slices.DeleteFunc(r.members, func(m organization.Member) bool { return !slices.Contains(ids, m.ID) })
	return nil
}

// unlisted is an error of a listing, with what to check where AWS did not answer.
func unlisted(err error) error {
	if errors.Is(err, organization.ErrIncomplete) {
		return fmt.Errorf("%w: try again", err)
	}
	_, is := errors.AsType[*smithy.OperationError](err)
	if _, advised := errors.AsType[*organization.CallError](err); advised || !is {
		return err
	}
	return fmt.Errorf("%w: %s", err, unreached(err))
}

func noneSelected(listed []organization.Account) error {
	active := 0
	for _, account := range listed {
		if account.State.Active() {
			active++
		}
	}
	return fmt.Errorf("organization.include and organization.exclude select none of the organisation's %s", alert.Plural(active, "active account"))
}

const (
	verifyAtOnce  = 32
	verifyTimeout = 20 * time.Second // of one account
)

// verify asks in each account whose the credentials are there. The account of credentials
// without a role is known then.
func (r *roster) verify(ctx context.Context, a *app, base aws.Config) map[string]error {
	p := a.Progress("accounts asked", len(r.accounts))
	defer p.End()
	errs := make([]error, len(r.accounts))
	var g errgroup.Group
	g.SetLimit(verifyAtOnce)
	for n := range r.accounts {
		g.Go(func() error {
			defer p.Step()
			ctx, cancel := context.WithTimeout(ctx, verifyTimeout)
			defer cancel()
			id, _, err := r.accounts[n].Verify(ctx, base)
			r.accounts[n].ID = cmp.Or(r.accounts[n].ID, id)
			errs[n] = err
			return nil
		})
	}
	_ = g.Wait() // each account's error is its own
	answers := map[string]error{}
	for n, account := range r.accounts {
		answers[account.ID] = errs[n]
	}
	return answers
}

// rows are all accounts by number: those to protect, and those that departed.
func (r *roster) rows() (out []accountJSON) {
	members := map[string]organization.Member{}
	for _, m := range r.members {
		members[m.ID] = m
	}
	listed := map[string]bool{}
	for _, account := range r.accounts {
		x := accountJSON{Account: account.ID, Source: "accounts", RoleARN: account.RoleARN}
		if n := slices.IndexFunc(r.conf.Accounts, func(c configs.Account) bool { return c.ID == account.ID }); n >= 0 {
			x.Name = r.conf.Accounts[n].Name
		}
		if m, ok := members[account.ID]; ok {
			x.describe(m)
		}
		listed[account.ID] = true
		if r.answers != nil {
			err := r.answers[account.ID]
			x.RoleWorks = new(err == nil)
			if err != nil {
				x.RoleError = whyNot(err)
			}
		}
		out = append(out, x)
	}
	for _, m := range r.members {
		if m.Departed() && !listed[m.ID] {
			x := accountJSON{Account: m.ID, Departed: string(m.Why), DepartedAt: jsonTime(m.LeftAt)}
			x.describe(m)
			out = append(out, x)
		}
	}
	scopesOf := map[string][]inventory.Scope{}
	for s := range r.counts.RefreshedAt {
		scopesOf[s.Account] = append(scopesOf[s.Account], s)
	}
	for n := range out {
		out[n].count(scopesOf[out[n].Account], r.counts)
	}
	slices.SortFunc(out, func(a, b accountJSON) int { return cmp.Compare(a.Account, b.Account) })
	return out
}

// describe adds what the organisation says of the account.
func (x *accountJSON) describe(m organization.Member) {
	x.Name = cmp.Or(x.Name, m.Name)
	x.Path, x.State, x.Management, x.ProtectedAt = m.Path, string(m.State), m.Management, jsonTime(m.FirstAt)
	if !m.Departed() || x.Departed != "" {
		x.Source = "organization"
	}
}

// count adds what the state file knows of the account's Regions.
func (x *accountJSON) count(scopes []inventory.Scope, c store.Counts) {
	for _, scope := range scopes {
		at := c.RefreshedAt[scope]
		x.Regions = append(x.Regions, scope.Region)
		x.FlowLogs += c.Protected[scope.String()]
		if x.RefreshedAt.IsZero() || at.Before(x.RefreshedAt.Time) {
			x.RefreshedAt = jsonTime(at)
		}
	}
	slices.Sort(x.Regions)
}

// fails reports whether AWS was asked, and the role does not work.
func (x accountJSON) fails() bool { return x.RoleWorks != nil && !*x.RoleWorks }

func (r *roster) print(a *app, rows []accountJSON, which chosenAccounts) {
	t := a.Table(term.CutTo(12, "NAME"), term.Whole("ACCOUNT"), term.CutTo(12, "OU").KeepEnd().OrDrop(1), term.CutTo(30, "ROLE"),
		term.Whole("REGIONS").OrDrop(3), term.Whole("FLOW LOGS").OrDrop(4), term.Whole("REFRESHED").OrDrop(2))
	failed, departed := 0, 0
	for _, x := range rows {
		switch {
		case x.Departed != "":
			departed++
		case x.fails():
			failed++
		}
		if which.failing && !x.fails() {
			continue
		}
		t.Add(x, x.Name, x.Account, x.Path, x.role(a), regionsText(x.Regions), x.FlowLogs, cmp.Or(a.ago(x.RefreshedAt.Time), "never"))
	}
	t.Flush()
	if a.JSON {
		return
	}
	protected := len(rows) - departed
	what := alert.Plural(protected, "account") + " to protect"
	if len(which.words) > 0 {
		what = alert.Plural(len(rows), "account") + " chosen"
	}
	switch {
	case len(rows) == 0 && r.answers != nil: // the error says why
	case len(rows) == 0:
		a.Note("no account is known yet: the daemon lists the organisation when it starts, and so does this command without --offline")
	case r.answers == nil:
		a.Note("%s, %d departed; AWS was not asked", what, departed)
	default:
		a.Note("%s: the role works in %d, and does not in %d; %d departed", what, protected-failed, failed, departed)
	}
}

// role says whether Flowkeeper can act in the account.
func (x accountJSON) role(a *app) term.Cell {
	switch {
	case x.Departed != "":
		return term.Colored("departed "+a.ago(x.DepartedAt.Time)+": "+organization.Departure(x.Departed).Text(organization.State(x.State)), term.Dim)
	case x.RoleWorks == nil:
		return term.Colored("not asked", term.Dim)
	case *x.RoleWorks:
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
