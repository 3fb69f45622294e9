package main

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"flowkeeper/alert"
	"flowkeeper/internal/nearest"
	"flowkeeper/internal/store"
	"flowkeeper/internal/term"
	"flowkeeper/inventory"
	"flowkeeper/remediate/incident"
)

// names looks up the names of accounts and resources that a command prints. It reads the names of
// all resources of a scope together, and keeps them.
type names struct {
	s        state
	accounts map[string]string
	scopes   map[inventory.Scope]map[string]string
	held     int // names in scopes
}

// mostNames is how many names of resources, or other words of the state file, are held at the same time, so
// that a command needs little memory.
const mostNames = 100_000

func (s state) names(ctx context.Context) (*names, error) {
	accounts, err := s.AccountNames(ctx)
	return &names{s: s, accounts: accounts, scopes: map[inventory.Scope]map[string]string{}}, err
}

// nameOf is the name of an account; empty: it is not known.
func (n *names) nameOf(account string) string { return alert.Clean(n.accounts[account], alert.MaxName) }

// resource is the name of a resource; empty: it has none, or none is known.
func (n *names) resource(ctx context.Context, scope inventory.Scope, id string) (string, error) {
	byID, read := n.scopes[scope]
	if !read {
		var err error
		if byID, err = n.s.ResourceNames(ctx, scope); err != nil {
			return "", err
		}
		if n.held += len(byID); n.held > mostNames {
			clear(n.scopes)
			n.held = len(byID)
		}
		n.scopes[scope] = byID
	}
	return alert.Clean(byID[id], alert.MaxName), nil
}

// incident returns an incident for JSON, with the names of its account and resource.
func (n *names) incident(ctx context.Context, i incident.Incident, history []incident.Entry) (incidentJSON, error) {
	out := toIncidentJSON(i, history)
	out.AccountName = n.nameOf(i.Scope.Account)
	var err error
	out.ResourceName, err = n.resource(ctx, i.Scope, i.ResourceID)
	return out, err
}

func (f *filters) resolveAccount(ctx context.Context, s state, word string) ([]string, error) {
	known, _, err := f.known(ctx, s)
	if err != nil {
		return nil, err
	}
	return meantAccounts(word, known)
}

// meantAccounts finds the accounts that a word means: the one with this number, or all that have this
// name. If there are none, it finds those for whose name plainName returns this word.
func meantAccounts(word string, known map[string]string) ([]string, error) {
	if _, ok := known[word]; ok {
		return []string{word}, nil
	}
	var named, alike []string
	for id, name := range known {
		switch word {
		case "":
		case name:
			named = append(named, id)
		case plainName(name):
			alike = append(alike, id)
		}
	}
	ids := named
	if len(ids) == 0 {
		ids = alike
	}
	if len(ids) == 0 {
		return nil, usagef("--account %s: %s", cmp.Or(term.Clean(word), `""`), notAnAccount(word, known))
	}
	slices.Sort(ids)
	return ids, nil
}

// plainName changes a name so that it needs no quotes in a shell or in a list with commas: "Payments, EU"
// becomes Payments-EU.
func plainName(name string) string { return strings.Trim(notPlain.ReplaceAllString(name, "-"), "-") }

var notPlain = regexp.MustCompile(`[^\w@%+=:./-]+`)

// mostListed is how many known words an error lists.
const mostListed = 10

// notAnAccount says that a word is neither the number nor the name of a known account, and which account
// may have been meant.
func notAnAccount(word string, known map[string]string) string {
	ids := slices.Sorted(maps.Keys(known))
	var labels []string
	for _, id := range ids {
		labels = append(labels, alert.WithAccount(id, known[id]))
	}
	near := cmp.Or(nearest.ID(word, ids), nearest.Word(word, slices.Sorted(maps.Values(known))))
	switch {
	case len(labels) == 0:
		return "the state file knows no account yet"
	case len(labels) <= mostListed:
		return "known are " + strings.Join(labels, ", ")
	case near != "":
		return fmt.Sprintf("it is neither the number nor the name of one of %d known accounts: did you mean %s?", len(labels), term.Clean(near))
	}
	return fmt.Sprintf("it is neither the number nor the name of one of %d known accounts: `flowkeeper accounts list` has them", len(labels))
}

// offerAccounts returns what a shell completes: the numbers of accounts, each described by its name, and the
// names, each described by its number. Names that plainName has changed come last, because meantAccounts tries
// them last.
func (f *filters) offerAccounts(ctx context.Context, s state, _ string) (out []string, err error) {
	known, _, err := f.known(ctx, s)
	var alike []string
	for _, id := range slices.Sorted(maps.Keys(known)) {
		name := known[id]
		if name == "" {
			out = append(out, id)
			continue
		}
		out = append(out, cobra.CompletionWithDesc(id, name))
		if plain := plainName(name); plain == name {
			out = append(out, cobra.CompletionWithDesc(name, id))
		} else if plain != "" {
			alike = append(alike, cobra.CompletionWithDesc(plain, id))
		}
	}
	return append(out, alike...), err
}

// resolveResource finds the resources that a word means: one by its ID, or all that have this
// name.
func resolveResource(ctx context.Context, s state, word string) ([]string, error) {
	ids, err := s.Resources(ctx, word)
	if err != nil || len(ids) > 0 {
		return ids, err
	}
	where := "`flowkeeper inventory list` has them"
	if names, err := s.Words(ctx, store.ResourceNames, "", mostNames); err == nil {
		if near := nearest.Word(word, names); near != "" {
			where = "did you mean " + term.Clean(near) + "?"
		}
	}
	return nil, usagef("--resource %s: no flow log is known of a resource with this ID or tag Name: %s", cmp.Or(term.Clean(word), `""`),
		s.suggestOr(ctx, word, where, store.Resources))
}
