package main

import (
	"context"

	"flowkeeper/alert"
	"flowkeeper/inventory"
	"flowkeeper/remediate/incident"
)

// names are the names that people have given to accounts and resources, for what a command
// prints. It reads those of the resources of a scope once.
type names struct {
	s        state
	accounts map[string]string
	scopes   map[inventory.Scope]map[string]string
	held     int // names in scopes
}

// mostNames is how many names of resources are held at the same time, so that a list of any length needs
// little memory.
const mostNames = 100_000

func (s state) names(ctx context.Context) (*names, error) {
	accounts, err := s.AccountNames(ctx)
	return &names{s: s, accounts: accounts, scopes: map[inventory.Scope]map[string]string{}}, err
}

// nameOf is the name of an account; empty: it is not known.
func (n *names) nameOf(account string) string { return alert.Clean(n.accounts[account], alert.MaxName) }

// resource is the name of a resource; empty: it has none, or none is known.
func (n *names) resource(ctx context.Context, scope inventory.Scope, id string) (string, error) {
	in, read := n.scopes[scope]
	if !read {
		var err error
		if in, err = n.s.ResourceNames(ctx, scope); err != nil {
			return "", err
		}
		if n.held += len(in); n.held > mostNames {
			clear(n.scopes)
			n.held = len(in)
		}
		n.scopes[scope] = in
	}
	return alert.Clean(in[id], alert.MaxName), nil
}

// incident is an incident for JSON, with its names.
func (n *names) incident(ctx context.Context, i incident.Incident, history []incident.Entry) (incidentJSON, error) {
	out := toIncidentJSON(i, history)
	out.AccountName = n.nameOf(i.Scope.Account)
	var err error
	out.ResourceName, err = n.resource(ctx, i.Scope, i.ResourceID)
	return out, err
}
