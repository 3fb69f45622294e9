package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"flowkeeper/internal/nearest"
	"flowkeeper/internal/store"
	"flowkeeper/internal/term"
	"flowkeeper/inventory"
	"flowkeeper/remediate/incident"
)

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
