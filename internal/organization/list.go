package organization

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/arn"
	"github.com/aws/aws-sdk-go-v2/service/organizations"
	"github.com/aws/aws-sdk-go-v2/service/organizations/types"

	"flowkeeper/alert"
)

// Bounds of a listing: of the whole, and of what it may name. AWS allows far less.
const (
	listTimeout = 5 * time.Minute
	treeTimeout = 2 * time.Minute // of the OUs, where they are only shown
	maxAccounts = 50_000
	maxUnits    = 20_000
	maxPages    = 50_000 // of one call
	maxDepth    = 12     // of OUs; AWS nests five
	maxName     = 128    // characters
)

// Listing is all accounts of an organisation.
type Listing struct {
	Accounts []Account // by number
	// Strangers are the account numbers of organization.include and organization.exclude that
	// are no accounts of the organisation, each as organization.include[2]: 111122223333.
	Strangers []string
	// NoPaths is why the OUs are not known, ErrNotAsked if AWS was not asked; nil: they are known.
	// Without them no account has a path.
	NoPaths error
}

// List lists the accounts of an organisation, and selects by the lists of the configuration:
// IDs of accounts, and of OUs and roots with all that is beneath them. If include is empty, all
// accounts are selected; exclude wins. It takes listTimeout at most.
//
// Where neither list has an ID of an OU, and the OUs can't be read within two minutes or do not fit
// the list of accounts, the listing has no paths. Anything else that is missing is an error, with a
// *CallError in it if a person can mend it, and ErrIncomplete if AWS answered, but not with a whole list.
func List(ctx context.Context, api API, include, exclude []string) (Listing, error) {
	return listWithin(ctx, func(ctx context.Context) (Listing, error) { return list(ctx, api, include, exclude, 1) })
}

// quickCalls is how many calls for OUs ListQuickly makes at the same time. It is small, and List makes only one
// at a time, because all callers in the organisation share one limit of calls. Client repeats calls that are
// throttled.
const quickCalls = 4

// ErrNotAsked is the NoPaths of a listing that needed no OU.
var ErrNotAsked = errors.New("AWS was not asked for the OUs")

// ListQuickly is List for those who wait for the accounts: where neither list has an ID of an OU, AWS is not
// asked for the OUs, which takes two calls for each, and the listing has no paths. Elsewhere it makes
// quickCalls of these calls at the same time.
func ListQuickly(ctx context.Context, api API, include, exclude []string) (Listing, error) {
	return listWithin(ctx, func(ctx context.Context) (Listing, error) {
		if byUnit(include, exclude) {
			return list(ctx, api, include, exclude, quickCalls)
		}
		accounts, err := listAccounts(ctx, api)
		return newListing(accounts, nil, include, exclude, ErrNotAsked), err
	})
}

// listWithin lists within listTimeout, and explains what goes wrong.
func listWithin(ctx context.Context, list func(context.Context) (Listing, error)) (Listing, error) {
	ctx, cancel := context.WithTimeout(ctx, listTimeout)
	defer cancel()
	l, err := list(ctx)
	if err != nil {
		return Listing{}, fmt.Errorf("list the accounts of the organisation: %w", explain(err))
	}
	if l.NoPaths != nil {
		l.NoPaths = explain(l.NoPaths)
	}
	return l, nil
}

// tries is how often accounts and OUs are asked for, while the accounts and the tree of OUs differ.
const tries = 3

// errMoved: an account joined, left or moved between two calls, so that their answers together may
// lack an account.
var errMoved = fmt.Errorf("%w: accounts and OUs do not fit together, as if accounts joined, left or moved meanwhile", ErrIncomplete)

// list lists the accounts, and the OUs with atOnce calls at the same time.
func list(ctx context.Context, api API, include, exclude []string, atOnce int) (Listing, error) {
	needed := byUnit(include, exclude)
	for n := 1; ; n++ {
		accounts, err := listAccounts(ctx, api)
		if err != nil {
			return Listing{}, err
		}
		units, err := unitsWithin(ctx, api, needed, atOnce)
		if err == nil && !units.agrees(accounts) {
			err = errMoved
		}
		switch {
		case errors.Is(err, errMoved) && n < tries:
			continue
		case err == nil:
			err = units.hasAll(include, exclude)
		case !needed && ctx.Err() == nil:
			return newListing(accounts, nil, include, exclude, err), nil
		}
		if err != nil {
			return Listing{}, err
		}
		return newListing(accounts, units, include, exclude, nil), nil
	}
}

// unitsWithin reads the tree of OUs, within treeTimeout if nothing is selected by it.
func unitsWithin(ctx context.Context, api API, needed bool, atOnce int) (*tree, error) {
	if !needed {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, treeTimeout)
		defer cancel()
	}
	return readTree(ctx, api, atOnce)
}

// newListing makes a listing of the accounts, and selects those to protect. units is nil if the OUs are not known;
// noPaths says why.
func newListing(accounts map[string]Account, units *tree, include, exclude []string, noPaths error) Listing {
	l := Listing{NoPaths: noPaths}
	for _, a := range accounts {
		at := units.place(a.ID)
		a.Path = at.path
		in := func(list []string) bool {
			return slices.ContainsFunc(list, func(id string) bool { return id == a.ID || slices.Contains(at.above, id) })
		}
		a.Selected = (len(include) == 0 || in(include)) && !in(exclude)
		l.Accounts = append(l.Accounts, a)
	}
	slices.SortFunc(l.Accounts, func(a, b Account) int { return cmp.Compare(a.ID, b.ID) })
	for n, id := range slices.Concat(include, exclude) {
		if _, ok := accounts[id]; !ok && !isUnit(id) {
			l.Strangers = append(l.Strangers, key(n, include)+": "+id)
		}
	}
	return l
}

// byUnit reports whether the configuration has an ID of an OU or a root.
func byUnit(include, exclude []string) bool {
	return slices.ContainsFunc(slices.Concat(include, exclude), isUnit)
}

// isUnit reports whether an ID of the configuration is one of an OU or a root.
func isUnit(id string) bool { return strings.HasPrefix(id, "ou-") || strings.HasPrefix(id, "r-") }

// key of the nth entry of include and exclude together.
func key(n int, include []string) string {
	if n < len(include) {
		return fmt.Sprintf("organization.include[%d]", n)
	}
	return fmt.Sprintf("organization.exclude[%d]", n-len(include))
}

// listAccounts asks for all accounts. The keys of the map are their numbers.
func listAccounts(ctx context.Context, api API) (map[string]Account, error) {
	out := map[string]Account{}
	err := pages(ctx, func(ctx context.Context, token *string) (*string, error) {
		page, err := api.ListAccounts(ctx, &organizations.ListAccountsInput{NextToken: token})
		if err != nil {
			return nil, err
		}
		return page.NextToken, each(page.Accounts, func(a types.Account) error { return add(out, a) })
	})
	if err == nil && len(out) == 0 {
		return nil, fmt.Errorf("%w: there is no account, not even the management account", ErrIncomplete)
	}
	return out, err
}

// add adds an account that AWS describes.
func add(to map[string]Account, a types.Account) error {
	id := aws.ToString(a.Id)
	if !number.MatchString(id) {
		return fmt.Errorf("%w: an account has no number but %q", ErrIncomplete, alert.Clean(id, maxName))
	}
	// State replaces Status, which AWS retires in September 2026; older emulators know only
	// Status. https://docs.aws.amazon.com/organizations/latest/APIReference/API_Account.html
	to[id] = Account{ID: id, Name: alert.Clean(aws.ToString(a.Name), maxName), State: State(alert.Clean(cmp.Or(string(a.State), string(a.Status)), maxName)),
		Management: manages(aws.ToString(a.Arn), id)}
	if len(to) > maxAccounts {
		return fmt.Errorf("AWS names more than %d accounts", maxAccounts)
	}
	return nil
}

// manages reports whether an account is the management account: the ARN of each account has the
// management account's number, as arn:aws:organizations::MANAGEMENT:account/o-exampleorgid/ACCOUNT.
// https://docs.aws.amazon.com/service-authorization/latest/reference/list_awsorganizations.html
func manages(text, id string) bool {
	of, err := arn.Parse(text)
	return err == nil && of.AccountID == id
}

// each calls do for each item of a page, until do fails.
func each[T any](items []T, do func(T) error) error {
	for _, x := range items {
		if err := do(x); err != nil {
			return err
		}
	}
	return nil
}

// pages asks for each page of a list, until ctx ends. A page may be empty although others follow.
func pages(ctx context.Context, ask func(ctx context.Context, token *string) (next *string, err error)) error {
	var token *string
	for range maxPages {
		if err := ctx.Err(); err != nil {
			return err
		}
		next, err := ask(ctx, token)
		if err != nil || aws.ToString(next) == "" {
			return err
		}
		if aws.ToString(next) == aws.ToString(token) {
			return fmt.Errorf("%w: AWS answers with the same page again", ErrIncomplete)
		}
		token = next
	}
	return fmt.Errorf("AWS answers with more than %d pages", maxPages)
}
