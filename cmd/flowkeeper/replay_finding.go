package main

import (
	"cmp"
	"context"
	"fmt"
	"strings"

	"flowkeeper/alert"
	"flowkeeper/internal/cloudtrail"
	"flowkeeper/internal/detection"
	"flowkeeper/internal/term"
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
