package main

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"flowkeeper/configs"
	"flowkeeper/internal/daemon"
	"flowkeeper/internal/detection"
	"flowkeeper/internal/store"
	"flowkeeper/inventory"
	"flowkeeper/remediate"
	"flowkeeper/remediate/incident"
	"flowkeeper/remediate/tamper"
)

// planned is what would be done about one flow log that a record says was
// deleted.
type planned struct {
	FlowLogID   string              `json:"flow_log_id"`
	ResourceID  string              `json:"resource_id,omitempty"`
	Destination string              `json:"destination,omitempty"`
	Would       string              `json:"would,omitempty"` // restore, wait, alert_only, exempt, released, unknown; absent without a state file
	Why         string              `json:"why,omitempty"`
	Incident    incident.State      `json:"incident,omitempty"` // of the incident there is
	FlowLog     *inventory.Settings `json:"flow_log,omitempty"` // what would be created
}

// planner forecasts from the state file and the configuration what the daemon
// decides.
type planner struct {
	store        *store.Store // nil: there is no state file
	policy       incident.Policy
	dependencies []tamper.Dependency // what the daemon needs, as far as the configuration tells
}

// newPlanner opens the state file if there is one; the caller closes it.
func newPlanner(ctx context.Context, a *app) (p planner, err error) {
	c, _, err := a.config(needs{})
	if err != nil {
		return p, err
	}
	p.policy = daemon.Policy(c, "")
	p.store, err = openState(ctx, c)
	if errors.Is(err, store.ErrMissing) {
		a.Note("no state file: what would be restored is not known")
		return planner{policy: p.policy}, nil
	}
	if err != nil {
		return p, err
	}
	counts, err := p.store.Counts(ctx)
	if err != nil {
		return p, errors.Join(err, p.store.Close())
	}
	p.dependencies = daemon.Dependencies(c, slices.Collect(maps.Keys(counts.RefreshedAt)))
	return p, nil
}

// impact says what depends here on what a call has changed.
func (p planner) impact(ctx context.Context, v findingJSON, f detection.Finding) (findingJSON, error) {
	v.Target = tamper.TargetOf(f.Record)
	if p.store == nil || !tamper.Harmful(f.Record) {
		return v, nil
	}
	err := p.store.Tampering().View(ctx, func(tx tamper.Tx) error {
		t, err := tamper.ImpactOf(tx, f.Record, p.dependencies)
		v.Threatens = t.Uses
		for _, x := range t.FlowLogs {
			v.FlowLogs = append(v.FlowLogs, planned{FlowLogID: x.FlowLogID, ResourceID: x.ResourceID, Destination: x.Destination})
		}
		return err
	})
	return v, err
}

func (p planner) plan(ctx context.Context, f detection.Finding, id string) (planned, error) {
	out := planned{FlowLogID: id}
	if p.store == nil {
		return out, nil
	}
	scope := inventory.Scope{Account: f.Record.Account, Region: f.Record.Region}
	now := time.Now()
	err := p.store.View(ctx, func(tx *store.Tx) error {
		c, err := tx.Case(scope, incident.Selection{IDs: []string{id}}, now)
		if err != nil {
			return err
		}
		c.Policy = p.policy
		if i, found := c.Incident(id); found {
			out.Incident = i.State
		}
		row, known := c.Row(id)
		if !known {
			out.Would, out.Why = incident.Unknown, "the snapshot never saw it in "+scope.String()+": there is nothing to recreate it from"
			return nil
		}
		out.ResourceID, out.Destination = row.ResourceID, row.Destination(scope)
		out.Would, out.Why = forecast(c, row, remediate.RecordOf(f, p.policy))
		if out.Would == "restore" || out.Would == "wait" {
			out.FlowLog = &row.Settings
		}
		return nil
	})
	return out, err
}

// forecast is what the daemon decides about a flow log that the snapshot has, once AWS
// shows it absent and nothing in its place.
func forecast(c *incident.Case, row inventory.Row, rec incident.Record) (would, why string) {
	if row.Imported {
		return incident.Unknown, "imported and not seen in AWS yet: only `flowkeeper restore` acts on it"
	}
	d := c.Forecast(row.ID, rec)
	switch {
	case d.Next == incident.Hold:
		return "wait", fmt.Sprintf("rule: %s has %s to replace it, then it is restored", rec.Rule.Principal, configs.Tidy(rec.Rule.Wait))
	case d.Next == incident.HoldFlapping:
		return "wait", "it was restored often within the hour: the next time at " + d.At.UTC().Format(time.RFC3339)
	case d.Next != incident.Close:
		return "restore", "at once, unless AWS shows it alive or an equivalent one in its place"
	case d.Reason == incident.Released:
		return d.Reason, "released at the time of the deletion"
	case d.Reason == incident.Held:
		return d.Reason, "its destination is held: `flowkeeper inventory approve` ends that"
	case !row.Protected:
		return d.Reason, "it is not protected: a decoy, or outside inventory.destinations"
	case d.Reason == incident.Exempt:
		return d.Reason, "rule: " + rec.Rule.Principal + " may delete flow logs"
	case c.Policy.AlertOnly:
		return d.Reason, "remediate.mode is alert"
	}
	return d.Reason, "rule: deletions by " + rec.Rule.Principal + " only alert"
}
