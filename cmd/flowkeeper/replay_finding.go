package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"flowkeeper/alert"
	"flowkeeper/configs"
	"flowkeeper/internal/cloudtrail"
	"flowkeeper/internal/daemon"
	"flowkeeper/internal/detection"
	"flowkeeper/internal/store"
	"flowkeeper/internal/term"
	"flowkeeper/inventory"
	"flowkeeper/remediate"
	"flowkeeper/remediate/incident"
	"flowkeeper/remediate/tamper"
)

// findingJSON is what one record means, and what Flowkeeper would do.
type findingJSON struct {
	Kind           string          `json:"kind"`             // deletion, attempt, creation, rehearsal, teardown, tamper or ignored
	Reason         string          `json:"reason,omitempty"` // ignored: what the record is instead of a call
	Level          alert.Level     `json:"level,omitempty"`
	Rule           *alert.Rule     `json:"rule,omitempty"`
	EventID        string          `json:"event_id,omitempty"`
	EventName      string          `json:"event_name,omitempty"`
	Time           alert.Time      `json:"time,omitzero"`
	Account        string          `json:"account,omitempty"`
	Region         string          `json:"region,omitempty"`
	Actor          *alert.Actor    `json:"actor,omitempty"`
	IDsUnknown     bool            `json:"ids_unknown,omitempty"`  // the record does not say which flow logs
	ResourceIDs    []string        `json:"resource_ids,omitempty"` // torn down
	Addendum       *addendumJSON   `json:"addendum,omitempty"`     // the record corrects an earlier one, or came late
	Why            string          `json:"why,omitempty"`          // ignored: why nothing is done about it
	Target         string          `json:"target,omitempty"`       // tampered with; absent: not stated
	Threatens      []string        `json:"threatens,omitempty"`    // what that is, here
	FlowLogs       []planned       `json:"flow_logs,omitempty"`
	FailedFlowLogs []alert.FlowLog `json:"failed_flow_logs,omitempty"`
	File           string          `json:"file,omitempty"` // in which the record was

	detail, hidden string // of tampering: how, and why its target is not stated
}

// addendumJSON is what CloudTrail says of a record that it sent later.
type addendumJSON struct {
	EventID string `json:"event_id,omitempty"` // its own; the finding has that of the event it belongs to
	Reason  string `json:"reason,omitempty"`
	Updated string `json:"updated_fields,omitempty"`
}

var replayKinds = map[detection.Kind]string{
	detection.Deleted: "deletion", detection.Attempted: "attempt", detection.Created: "creation",
	detection.Rehearsed: "rehearsal", detection.TornDown: "teardown", detection.Tampered: "tamper",
}

// titles of the kinds without a rule.
var titles = map[string]string{
	"creation": "Flow logs created", "rehearsal": "A Flowkeeper tested a restore as a dry run", "teardown": "A VPC was deleted",
}

func toFindingJSON(ctx context.Context, p planner, f detection.Finding) (findingJSON, error) {
	r, actor := f.Record, f.Actor()
	v := findingJSON{
		Kind: replayKinds[f.Kind], Level: f.Rule.Level, EventID: r.EventID, EventName: r.EventName, Time: jsonTime(r.EventTime),
		Account: r.Account, Region: r.Region, Actor: jsonActor(&actor), IDsUnknown: r.IDsUnknown, Addendum: (*addendumJSON)(r.Addendum),
	}
	if r.NoCall != "" {
		_, v.Why = r.NoCall.Words()
		v.Kind, v.Reason = "ignored", string(r.NoCall)
		return v, nil
	}
	if f.Rule.ID != "" {
		v.Rule = &alert.Rule{ID: f.Rule.ID, Title: f.Rule.Title}
	}
	if f.Kind == detection.Tampered {
		if r.Detail != "" {
			v.detail = " (" + r.Detail + ")"
		}
		if r.OmittedSize != "" {
			v.hidden = ": CloudTrail left out " + r.OmittedSize + " bytes of parameters"
		}
		return p.impact(ctx, v, f)
	}
	for _, id := range f.Deleted {
		out, err := p.plan(ctx, f, id)
		if err != nil {
			return v, err
		}
		v.FlowLogs = append(v.FlowLogs, out)
	}
	if f.Kind == detection.Created {
		for _, id := range r.CreatedIDs {
			v.FlowLogs = append(v.FlowLogs, planned{FlowLogID: id})
		}
	}
	if f.Kind == detection.TornDown {
		v.ResourceIDs = r.ResourceIDs
	}
	for _, x := range f.Failed {
		v.FailedFlowLogs = append(v.FailedFlowLogs, alert.FlowLog{FlowLogID: x.FlowLogID, ErrorCode: x.Code, ErrorMessage: x.Message})
	}
	return v, nil
}

func printFinding(a *app, v findingJSON) {
	title := titles[v.Kind]
	if v.Kind == "ignored" {
		what, _ := cloudtrail.NoCall(v.Reason).Words()
		title = "Not acted on: " + what
	}
	if v.Rule != nil {
		title = fmt.Sprintf("%s (%s)", v.Rule.Title, v.Level)
	}
	a.Printf("%s\n", a.Paint(term.Clean(title), levelCell(v.Level).Color))
	s := &term.Sheet{Indent: "  "}
	s.Put("when", a.when(v.Time.Time))
	s.Put("where", strings.TrimSpace(v.Account+" "+v.Region))
	s.Put("event", v.EventID)
	s.Put("addendum", v.addendumWords())
	putActor(s, v.Actor)
	if v.Kind == "ignored" {
		s.Put("call", v.EventName)
		s.Put("why", v.Why)
	}
	if v.Kind == "tamper" {
		s.Put("call", v.EventName+v.detail)
		s.Put("of", cmp.Or(v.Target, "target not stated"+v.hidden))
		s.Put("threatens", cmp.Or(strings.Join(v.Threatens, " and "), "not known without a state file"))
	}
	s.Put("VPC", strings.Join(v.ResourceIDs, " "))
	if v.IDsUnknown {
		s.Put("flow logs", "the record does not say which: a refresh finds them")
	}
	for _, f := range v.FlowLogs {
		s.Put(f.FlowLogID, f.words())
	}
	for _, f := range v.FailedFlowLogs {
		s.Put(f.FlowLogID, "not deleted: "+strings.TrimSpace(f.ErrorCode+" "+f.ErrorMessage))
	}
	a.Sheet(s)
	a.Printf("\n")
}

// addendumWords say to which event an addendum belongs, and what it leads to.
func (v findingJSON) addendumWords() string {
	a := v.Addendum
	if a == nil {
		return ""
	}
	reason := strings.Trim(a.Reason+": "+a.Updated, ": ")
	if a.EventID == v.EventID {
		return reason
	}
	return fmt.Sprintf("%s (%s): a second alert only if it says more", a.EventID, reason)
}

// words is what would be done about one flow log.
func (p planned) words() string {
	var parts []string
	if p.ResourceID != "" {
		parts = append(parts, p.ResourceID+" to "+term.ShortARN(p.Destination))
	}
	if p.Would != "" {
		would := map[string]string{"restore": "would be restored", "wait": "would be restored later", "unknown": "can't be restored"}[p.Would]
		parts = append(parts, cmp.Or(would, "would not be restored")+" ("+p.Why+")")
	}
	if p.Incident != "" {
		parts = append(parts, "its incident is "+string(p.Incident))
	}
	if len(parts) == 0 {
		return "named"
	}
	return strings.Join(parts, "; ")
}

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
	namesOnly    bool                // nothing is forecast
	dependencies []tamper.Dependency // what the daemon needs, as far as the configuration states it
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
	if p.store == nil || p.namesOnly {
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
