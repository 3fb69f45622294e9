package organization

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/organizations"
	"github.com/aws/aws-sdk-go-v2/service/organizations/types"

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

// agrees reports whether each of these accounts that can be used has a place, and each account
// that has one is among them.
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

// hasAll returns an error if an ID of an OU or a root in the configuration is in no place of
// the organisation.
func (t *tree) hasAll(include, exclude []string) error {
	for n, id := range slices.Concat(include, exclude) {
		if isUnit(id) && !t.units[id] {
			return &CallError{Fix: "correct it: aws organizations list-organizational-units-for-parent --parent-id ROOT-OR-OU-ID lists them",
				err: fmt.Errorf("%s: the organisation has no %s", key(n, include), id)}
		}
	}
	return nil
}

// readTree asks for all OUs and for the accounts of each. It returns errMoved if an account
// or an OU shows in two places, or an OU is gone by the time that it is asked for.
func readTree(ctx context.Context, api API) (*tree, error) {
	t := &tree{units: map[string]bool{}, accounts: map[string]place{}}
	var roots []unit
	err := pages(ctx, func(ctx context.Context, token *string) (*string, error) {
		page, err := api.ListRoots(ctx, &organizations.ListRootsInput{NextToken: token})
		if err != nil {
			return nil, err
		}
		for _, r := range page.Roots {
			roots = append(roots, place{}.unit(aws.ToString(r.Id), aws.ToString(r.Name)))
		}
		return page.NextToken, nil
	})
	for n := 0; n < len(roots) && err == nil; n++ {
		err = t.read(ctx, api, roots[n])
	}
	if _, gone := errors.AsType[*types.ParentNotFoundException](err); gone {
		return nil, errMoved
	}
	return t, err
}

// unit is an OU or a root; place is that of the accounts in it.
type unit struct {
	id    string
	place place
}

// unit beneath a place.
func (p place) unit(id, name string) unit {
	name = alert.Clean(name, maxName)
	if p.path != "" {
		name = p.path + "/" + name
	}
	return unit{id, place{above: append(slices.Clone(p.above), id), path: name}}
}

// read asks for the accounts in a unit, and for the OUs beneath it.
func (t *tree) read(ctx context.Context, api API, u unit) error {
	switch {
	case t.units[u.id]:
		return errMoved
	case len(t.units) >= maxUnits:
		return fmt.Errorf("AWS names more than %d OUs", maxUnits)
	case len(u.place.above) > maxDepth:
		return fmt.Errorf("AWS nests more than %d OUs", maxDepth)
	}
	t.units[u.id] = true
	err := pages(ctx, func(ctx context.Context, token *string) (*string, error) {
		page, err := api.ListAccountsForParent(ctx, &organizations.ListAccountsForParentInput{ParentId: &u.id, NextToken: token})
		if err != nil {
			return nil, err
		}
		for _, a := range page.Accounts {
			id := aws.ToString(a.Id)
			if there, ok := t.accounts[id]; ok && !slices.Equal(there.above, u.place.above) {
				return nil, errMoved
			}
			if t.accounts[id] = u.place; len(t.accounts) > maxAccounts {
				return nil, fmt.Errorf("AWS names more than %d accounts", maxAccounts)
			}
		}
		return page.NextToken, nil
	})
	if err != nil {
		return err
	}
	var beneath []unit
	err = pages(ctx, func(ctx context.Context, token *string) (*string, error) {
		page, err := api.ListOrganizationalUnitsForParent(ctx, &organizations.ListOrganizationalUnitsForParentInput{ParentId: &u.id, NextToken: token})
		if err != nil {
			return nil, err
		}
		for _, o := range page.OrganizationalUnits {
			if beneath = append(beneath, u.place.unit(aws.ToString(o.Id), aws.ToString(o.Name))); len(beneath) > maxUnits {
				return nil, fmt.Errorf("AWS names more than %d OUs", maxUnits)
			}
		}
		return page.NextToken, nil
	})
	for n := 0; n < len(beneath) && err == nil; n++ {
		err = t.read(ctx, api, beneath[n])
	}
	return err
}
