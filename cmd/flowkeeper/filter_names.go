package main

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"flowkeeper/alert"
	"flowkeeper/internal/nearest"
	"flowkeeper/internal/term"
	"flowkeeper/inventory"
)

// knownAccounts are the accounts of the state file and of the configuration, each with its
// name, which may be empty.
func (f *filters) knownAccounts(ctx context.Context, s state) (map[string]string, error) {
	ids, err := f.known(func(x inventory.Scope) string { return x.Account })(ctx, s)
	if err != nil {
		return nil, err
	}
	names, err := s.AccountNames(ctx)
	if err != nil {
		return nil, err
	}
	known := maps.Clone(names)
	if known == nil {
		known = map[string]string{}
	}
	for _, id := range ids {
		known[id] = names[id]
	}
	return known, nil
}

// resolveAccount finds the accounts that a word means: one by its number, or all that have
// this name.
func (f *filters) resolveAccount(ctx context.Context, s state, word string) ([]string, error) {
	known, err := f.knownAccounts(ctx, s)
	if err != nil {
		return nil, err
	}
	if _, ok := known[word]; ok {
		return []string{word}, nil
	}
	var ids []string
	for id, name := range known {
		if word != "" && name == word {
			ids = append(ids, id)
		}
	}
	if len(ids) == 0 {
		return nil, usagef("--account %s: %s", cmp.Or(term.Clean(word), `""`), notAnAccount(word, known))
	}
	slices.Sort(ids)
	return ids, nil
}

// mostListed is how many known words an error lists.
const mostListed = 10

// notAnAccount says that a word is neither the number nor the name of a known account, and
// which were meant perhaps.
func notAnAccount(word string, known map[string]string) string {
	var words, labels []string
	for _, id := range slices.Sorted(maps.Keys(known)) {
		words = append(words, id)
		if known[id] != "" {
			words = append(words, known[id])
		}
		labels = append(labels, alert.WithAccount(id, known[id]))
	}
	close := nearest.Word(word, words)
	switch {
	case len(labels) == 0:
		return "the state file knows no account yet"
	case len(labels) <= mostListed:
		return "known are " + strings.Join(labels, ", ")
	case close != "":
		return fmt.Sprintf("it is neither the number nor the name of one of %d known accounts: did you mean %s?", len(labels), term.Clean(close))
	}
	return fmt.Sprintf("it is neither the number nor the name of one of %d known accounts", len(labels))
}

// offerAccounts are the numbers of accounts, described by their names, and the names,
// described by their numbers.
func (f *filters) offerAccounts(ctx context.Context, s state, _ string) (out []string, err error) {
	known, err := f.knownAccounts(ctx, s)
	for _, id := range slices.Sorted(maps.Keys(known)) {
		if known[id] == "" {
			out = append(out, id)
			continue
		}
		out = append(out, cobra.CompletionWithDesc(id, known[id]), cobra.CompletionWithDesc(known[id], id))
	}
	return out, err
}

// resolveResource finds the resources that a word means: one by its ID, or all that have this
// name.
func resolveResource(ctx context.Context, s state, word string) ([]string, error) {
	ids, err := s.Resources(ctx, word)
	if err == nil && len(ids) == 0 {
		err = usagef("--resource %s: no flow log is known of a resource with this ID or tag Name: `flowkeeper inventory list` has them", cmp.Or(term.Clean(word), `""`))
	}
	return ids, err
}

// offerResources are IDs of resources that begin so.
func offerResources(ctx context.Context, s state, prefix string) ([]string, error) {
	return s.Watched(ctx, false, prefix, maxCompletions)
}
