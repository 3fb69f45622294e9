package organization

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"slices"
	"sync"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/organizations"
	"github.com/aws/aws-sdk-go-v2/service/organizations/types"
	"golang.org/x/sync/errgroup"

	"flowkeeper/alert"
)

// tree is where each account is, among the OUs.
type tree struct {
	units    map[string]bool  // the IDs of all OUs and roots
	accounts map[string]place // by number
}

// place is the IDs of the root and the OUs above an account, and their names.
type place struct {
	above []string
	path  string
}

// place of an account; empty: not known. A nil tree knows none.
func (t *tree) place(account string) place {
	if t == nil {
		return place{}
	}
	return t.accounts[account]
}

// agrees reports whether the tree fits the list of accounts: each account that can be used is in the
// tree, and each account of the tree is in the list.
func (t *tree) agrees(accounts map[string]Account) bool {
	for id, a := range accounts {
		if _, ok := t.accounts[id]; !ok && a.State.Active() {
			return false
		}
	}
	for id := range t.accounts {
		if _, ok := accounts[id]; !ok {
			return false
		}
	}
	return true
}

// hasAll returns an error if the configuration has an ID of an OU or a root that is not in the
// organisation.
func (t *tree) hasAll(include, exclude []string) error {
	for n, id := range slices.Concat(include, exclude) {
		if isUnit(id) && !t.units[id] {
			return &CallError{Fix: "correct it: aws organizations list-organizational-units-for-parent --parent-id ROOT-OR-OU-ID lists them",
				err: fmt.Errorf("%s: the organisation has no %s", key(n, include), id)}
		}
	}
	return nil
}

// readTree asks for all OUs and for the accounts of each, with atOnce calls at the same time at most. It
// returns errMoved if an account or an OU shows in two places, or an OU is gone by the time that it is asked
// for. If several calls fail, the error is that of the first one that did.
func readTree(ctx context.Context, api API, atOnce int) (*tree, error) {
	w := walk{api: api, tree: &tree{units: map[string]bool{}, accounts: map[string]place{}}}
	err := pages(ctx, func(ctx context.Context, token *string) (*string, error) {
		page, err := api.ListRoots(ctx, &organizations.ListRootsInput{NextToken: token})
		if err != nil {
			return nil, err
		}
		return page.NextToken, each(page.Roots, func(r types.Root) error { return w.found(place{}.unit(aws.ToString(r.Id), aws.ToString(r.Name))) })
	})
	for len(w.next) > 0 && err == nil {
		level := w.next
		w.next = nil
		calls, ctx := errgroup.WithContext(ctx)
		calls.SetLimit(atOnce)
		for _, u := range level {
			for _, ask := range []func(context.Context, unit) error{w.accountsIn, w.unitsIn} {
				calls.Go(func() error { return recovered(func() error { return ask(ctx, u) }) })
			}
		}
		err = calls.Wait()
	}
	if _, gone := errors.AsType[*types.ParentNotFoundException](err); gone {
		return nil, errMoved
	}
	return w.tree, err
}

// recovered returns a panic of fn as an error, so that it ends the listing and not the process.
func recovered(fn func() error) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("listing the OUs panicked: %v\n%s", p, debug.Stack())
		}
	}()
	return fn()
}

// unit is an OU or a root; place is the place of the accounts in it.
type unit struct {
	id    string
	place place
}

// unit returns the OU with this ID and name directly beneath a place; beneath the zero place it is a root.
func (p place) unit(id, name string) unit {
	name = alert.Clean(name, maxName)
	if p.path != "" {
		name = p.path + "/" + name
	}
	return unit{id, place{above: append(slices.Clone(p.above), id), path: name}}
}

// walk reads a tree from the root down, one level after the other.
type walk struct {
	api API

	mu   sync.Mutex // guards what follows
	tree *tree
	next []unit // of the next level
}

// found notes a unit, whose contents are asked for with the next level. The bounds hold for the whole tree.
func (w *walk) found(u unit) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	switch {
	case w.tree.units[u.id]:
		return errMoved
	case len(w.tree.units) >= maxUnits:
		return fmt.Errorf("AWS names more than %d OUs", maxUnits)
	case len(u.place.above) > maxDepth:
		return fmt.Errorf("AWS nests more than %d OUs", maxDepth)
	}
	w.tree.units[u.id] = true
	w.next = append(w.next, u)
	return nil
}

// holds notes that an account is in a unit.
func (w *walk) holds(u unit, account string) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if there, ok := w.tree.accounts[account]; ok && !slices.Equal(there.above, u.place.above) {
		return errMoved
	}
	if w.tree.accounts[account] = u.place; len(w.tree.accounts) > maxAccounts {
		return fmt.Errorf("AWS names more than %d accounts", maxAccounts)
	}
	return nil
}

// accountsIn asks for the accounts in a unit.
func (w *walk) accountsIn(ctx context.Context, u unit) error {
	return pages(ctx, func(ctx context.Context, token *string) (*string, error) {
		page, err := w.api.ListAccountsForParent(ctx, &organizations.ListAccountsForParentInput{ParentId: &u.id, NextToken: token})
		if err != nil {
			return nil, err
		}
		return page.NextToken, each(page.Accounts, func(a types.Account) error { return w.holds(u, aws.ToString(a.Id)) })
	})
}

// unitsIn asks for the OUs beneath a unit.
func (w *walk) unitsIn(ctx context.Context, u unit) error {
	return pages(ctx, func(ctx context.Context, token *string) (*string, error) {
		page, err := w.api.ListOrganizationalUnitsForParent(ctx, &organizations.ListOrganizationalUnitsForParentInput{ParentId: &u.id, NextToken: token})
		if err != nil {
			return nil, err
		}
		return page.NextToken, each(page.OrganizationalUnits, func(o types.OrganizationalUnit) error {
			return w.found(u.place.unit(aws.ToString(o.Id), aws.ToString(o.Name)))
		})
	})
}
