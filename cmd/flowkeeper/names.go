package main

import (
	"cmp"
	"context"
	"errors"
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

// mostMeant is how many flow logs, or incidents, of a resource a command lists instead of
// showing one.
const mostMeant = 50

// errSeveral says that a command about one thing was given a resource that has several of them.
type errSeveral struct {
	resource string
	things   string // incidents, flow logs
	group    string // of the commands that list them and show one
	which    store.Filter
	ids      []string
}

func (e *errSeveral) Error() string {
	ids, more := e.ids, ""
	if len(ids) > mostMeant {
		ids, more = ids[:mostMeant], " and more"
	}
	return fmt.Sprintf("%s has several %s, give the ID of one: %s%s", e.resource, e.things, strings.Join(ids, ", "), more)
}

// orList returns err. If that is an errSeveral, it lists what the resource has several of instead, and says how to see
// one; not with --json, whose result is one object.
func orList(ctx context.Context, s state, err error, list func(context.Context, state, *filters) error) error {
	several, ok := errors.AsType[*errSeveral](err)
	if !ok || s.JSON {
		return err
	}
	more := fmt.Sprintf("%d are shown: `flowkeeper %s list --resource %s --limit 0` shows all", mostMeant, several.group, strings.Join(several.which.Resources, ","))
	err = list(ctx, s, &filters{Filter: several.which, a: s.app, shown: mostMeant, more: more})
	if err == nil {
		s.Note("%s has several %s: `flowkeeper %s show ID` shows one", several.resource, several.things, several.group)
	}
	return err
}

// meantIncident finds the incident that a word means: that of the flow log with this ID, or of the
// flow log that this one replaced, or the only incident of this resource. If there are several, the error is
// an errSeveral.
func (s state) meantIncident(ctx context.Context, word string) (i incident.Incident, history []incident.Entry, err error) {
	if i, history, ok, err := s.FindIncident(ctx, word); err != nil || ok {
		return i, history, err
	}
	i, ok, err := s.ReplacedBy(ctx, word)
	if err != nil {
		return i, nil, err
	}
	id := i.FlowLogID
	if ok {
		s.complain(fmt.Sprintf("%s replaced %s: this is the incident of %s", word, id, id))
	} else if id, err = s.onlyIncidentOf(ctx, word); err != nil {
		return i, nil, err
	}
	i, history, ok, err = s.FindIncident(ctx, id)
	if err == nil && !ok {
		err = fmt.Errorf("the incident of %s was forgotten meanwhile", id)
	}
	return i, history, err
}

// onlyIncidentOf returns the ID of the flow log of a resource's only incident.
func (s state) onlyIncidentOf(ctx context.Context, word string) (id string, err error) {
	resources, err := s.Resources(ctx, word)
	if err != nil {
		return "", err
	}
	var ids []string
	which := store.Filter{Resources: resources, Limit: mostMeant + 1}
	if len(resources) > 0 {
		ids, err = s.incidentsOf(ctx, which)
	}
	_, isFlowLog, readErr := s.FindFlowLog(ctx, word)
	switch {
	case err != nil || readErr != nil:
		return "", errors.Join(err, readErr)
	case len(ids) == 1:
		return ids[0], nil
	case len(ids) > 1:
		return "", &errSeveral{term.Clean(word), "incidents", "incidents", which, ids}
	case len(resources) > 0:
		return "", fmt.Errorf("there is no incident of %s: none of its flow logs was deleted (see `flowkeeper inventory list --resource %s`)", term.Clean(word), resources[0])
	case isFlowLog:
		return "", fmt.Errorf("there is no incident of %s: `flowkeeper inventory show %s` says what is known of it", word, word)
	}
	return "", fmt.Errorf("no incident is known of %q, a flow log or a resource: %s", word,
		s.suggestOr(ctx, word, "see `flowkeeper incidents list`", store.IncidentIDs, store.IncidentResources))
}

// incidentsOf returns the IDs of the flow logs of the incidents that the filter selects.
func (s state) incidentsOf(ctx context.Context, which store.Filter) (ids []string, err error) {
	err = s.FindIncidents(ctx, which, func(i incident.Incident) error {
		ids = append(ids, i.FlowLogID)
		return nil
	})
	return ids, err
}

// meantFlowLog finds the flow log that a word means: the one with this ID, or the only one of this
// resource. Flow logs that are gone count only if none is live. If there are several, the error is an
// errSeveral.
func (s state) meantFlowLog(ctx context.Context, word string) (inventory.Row, error) {
	row, ok, err := s.FindFlowLog(ctx, word)
	if err != nil || ok {
		return row, err
	}
	resources, err := s.Resources(ctx, word)
	if err != nil {
		return row, err
	}
	var found []inventory.Row
	which := store.Filter{Resources: resources, Limit: mostMeant + 1}
	for _, states := range [][]string{{string(inventory.Live)}, nil} {
		if len(resources) == 0 || len(found) > 0 {
			break
		}
		which.States = states
		err = s.FindFlowLogs(ctx, which, func(r inventory.Row, _ store.Fate) error {
			found = append(found, r)
			return nil
		})
		if err != nil {
			return row, err
		}
	}
	switch len(found) {
	case 0:
		return row, s.noFlowLog(ctx, word, store.FlowLogIDs, store.Resources)
	case 1:
		return found[0], nil
	}
	several := &errSeveral{term.Clean(word), "flow logs", "inventory", which, nil}
	for _, r := range found {
		several.ids = append(several.ids, r.ID)
	}
	return row, several
}

func (s state) noFlowLog(ctx context.Context, id string, known ...store.Words) error {
	return fmt.Errorf("there is no flow log %q in the snapshot: %s", id, s.suggestOr(ctx, id, "see `flowkeeper inventory list`", known...))
}

// suggestOr returns "did you mean …?" with the known ID that is most like the wrong one. If no ID is like it,
// it returns the text.
func (s state) suggestOr(ctx context.Context, wrong, text string, known ...store.Words) string {
	for _, w := range known {
		if ids, err := s.Words(ctx, w, "", mostNames); err == nil {
			if near := nearest.ID(wrong, ids); near != "" {
				return "did you mean " + near + "?"
			}
		}
	}
	return text
}

// lostFlowLog finds the flow log to restore: the one with this ID, or the only one of the
// resource with this ID that is gone and not back. A tag Name does not choose what is changed:
// others may set it.
func (s state) lostFlowLog(ctx context.Context, id string) (inventory.Row, error) {
	row, err := s.flowLog(ctx, id)
	if err == nil || strings.HasPrefix(id, "fl-") {
		return row, err
	}
	which := store.Filter{Resources: []string{id}, States: []string{string(incident.Open), string(incident.Blocked)}, Limit: mostMeant + 1}
	lost, readErr := s.incidentsOf(ctx, which)
	switch {
	case readErr != nil:
		return row, readErr
	case len(lost) == 1:
		return s.flowLog(ctx, lost[0])
	case len(lost) > 1:
		return row, &errSeveral{resource: term.Clean(id), things: "lost flow logs", ids: lost}
	}
	resources, readErr := s.Resources(ctx, id)
	if readErr == nil && slices.Contains(resources, id) {
		err = fmt.Errorf("no flow log of %s is gone without a replacement: see `flowkeeper inventory list --resource %s`", id, id)
	}
	return row, errors.Join(err, readErr)
}
