package main

import (
	"context"
	"fmt"
	"time"

	"flowkeeper/alert"
	"flowkeeper/internal/detection"
	"flowkeeper/internal/store"
	"flowkeeper/internal/term"
	"flowkeeper/inventory"
	"flowkeeper/remediate"
)

// planned is what would be done about one flow log that a record says was
// deleted.
type planned struct {
	FlowLogID   string              `json:"flow_log_id"`
	ResourceID  string              `json:"resource_id,omitempty"`
	Destination string              `json:"destination,omitempty"`
	Would       string              `json:"would,omitempty"` // restore, wait, alert_only, exempt, released, unknown; absent without a state file
	Why         string              `json:"why,omitempty"`
	Incident    remediate.State     `json:"incident,omitempty"` // of the incident there is
	FlowLog     *inventory.Settings `json:"flow_log,omitempty"` // what would be created
}

// planner forecasts from the state file and the configuration what the daemon
// decides once AWS shows a flow log absent (design: "Deciding").
type planner struct {
	store  *store.Store // nil: there is no state file
	policy remediate.Policy
	beside []remediate.Dependency // what the daemon needs, as far as the configuration tells
}

// threat says what depends here on what a call has changed.
func (p planner) threat(ctx context.Context, v verdict, f detection.Finding) (verdict, error) {
	v.Target = remediate.TargetOf(f.Record)
	if p.store == nil || !remediate.Tampers(f.Record) {
		return v, nil
	}
	err := p.store.View(ctx, func(tx remediate.Tx) error {
		t, err := remediate.ThreatOf(tx, f.Record, p.beside)
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
	err := p.store.View(ctx, func(tx remediate.Tx) error {
		row, known, err := tx.FlowLog(scope, id)
		if err != nil {
			return err
		}
		i, found, err := tx.Incident(scope, id)
		if err != nil {
			return err
		}
		if found {
			out.Incident = i.State
		}
		if !known {
			out.Would, out.Why = remediate.Unknown, "the snapshot never saw it in "+scope.String()+": there is nothing to recreate it from"
			return nil
		}
		out.ResourceID, out.Destination = row.ResourceID, row.Destination(scope)
		out.Would, out.Why = p.decide(row, f.Actor(), f.Record.EventTime)
		if out.Would == "restore" || out.Would == "wait" {
			out.FlowLog = &row.Settings
		}
		return nil
	})
	return out, err
}

// decide follows the order in which remediate looks for reasons not to
// restore.
func (p planner) decide(row inventory.Row, actor alert.Actor, deleted time.Time) (would, why string) {
	rule := p.rule(row.Scope.Account, actor)
	switch {
	case row.Imported:
		return remediate.Unknown, "imported and not seen in AWS yet: only `flowkeeper restore` acts on it"
	case row.Released(deleted):
		return remediate.Released, "released at the time of the deletion"
	case !row.Protected:
		return remediate.Exempt, "it is not protected: a decoy, or outside inventory.destinations"
	case rule.Action == remediate.Ignore:
		return remediate.Exempt, "rule: " + rule.Principal + " may delete flow logs"
	case p.policy.AlertOnly:
		return remediate.AlertOnly, "remediate.mode is alert"
	case rule.Action == remediate.Alert:
		return remediate.AlertOnly, "rule: deletions by " + rule.Principal + " only alert"
	case rule.Action == remediate.Wait:
		return "wait", fmt.Sprintf("rule: %s has %s to replace it, then it is restored", rule.Principal, term.Tidy(rule.Wait))
	}
	return "restore", "at once, unless AWS shows it alive or an equivalent one in its place"
}

// rule of the configuration for who deleted something of an account: the first
// that matches.
func (p planner) rule(account string, actor alert.Actor) remediate.Rule {
	principal := actor.SessionIssuer
	if principal == "" {
		principal = actor.ARN
	}
	for _, r := range p.policy.Rules {
		if r.Matches(account, principal) {
			return r
		}
	}
	return remediate.Rule{Action: remediate.Restore}
}
