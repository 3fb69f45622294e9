package replay

import (
	"context"

	"flowkeeper/alert"
	"flowkeeper/internal/detection"
	"flowkeeper/inventory"
	"flowkeeper/remediate/incident"
)

// Ignored is the kind of a record that names a watched call, but is no management call.
const Ignored detection.Kind = "ignored"

// Finding is what one record means, and what Flowkeeper would do. Its JSON is a public contract:
// names and meanings stay, and what is not known is absent.
type Finding struct {
	Kind           detection.Kind  `json:"kind"`             // also Ignored
	Reason         string          `json:"reason,omitempty"` // ignored: what the record is instead of a call
	Level          alert.Level     `json:"level,omitempty"`
	Rule           *alert.Rule     `json:"rule,omitempty"`
	EventID        string          `json:"event_id,omitempty"`
	EventName      string          `json:"event_name,omitempty"`
	Time           alert.Time      `json:"time,omitzero"`
	Account        string          `json:"account,omitempty"`
	AccountName    string          `json:"account_name,omitempty"` // of Account
	Region         string          `json:"region,omitempty"`
	Actor          *alert.Actor    `json:"actor,omitempty"`
	IDsUnknown     bool            `json:"ids_unknown,omitempty"`  // the record does not say which flow logs
	ResourceIDs    []string        `json:"resource_ids,omitempty"` // torn down
	Addendum       *Addendum       `json:"addendum,omitempty"`     // the record corrects an earlier one, or came late
	Why            string          `json:"why,omitempty"`          // ignored: why nothing is done about it
	Target         string          `json:"target,omitempty"`       // tampered with; absent: not stated
	Threatens      []string        `json:"threatens,omitempty"`    // what the target is here: the destination of 2 flow logs, the queue …
	FlowLogs       []Planned       `json:"flow_logs,omitempty"`
	Omitted        int             `json:"flow_logs_omitted,omitempty"` // tampered: how many more depend on the target
	FailedFlowLogs []alert.FlowLog `json:"failed_flow_logs,omitempty"`
	File           string          `json:"file,omitempty"` // in which the record was

	How    string `json:"-"` // tampered: what of the target was changed
	Hidden string `json:"-"` // tampered: why the target is not stated
}

// Addendum is what CloudTrail says of an addendum: a record that corrects an earlier one, or came late.
type Addendum struct {
	EventID string `json:"event_id,omitempty"` // its own; the finding has that of the event it belongs to
	Reason  string `json:"reason,omitempty"`
	Updated string `json:"updated_fields,omitempty"`
}

// Explain says what a finding means. If the record names a watched call but is no management call, f has no kind,
// and v is Ignored. An error is one of the state file.
func (p Planner) Explain(ctx context.Context, f detection.Finding) (v Finding, err error) {
	r := f.Record
	v = Finding{
		Kind: f.Kind, Level: f.Rule.Level, EventID: r.EventID, EventName: r.EventName, Time: alert.Time{Time: r.EventTime},
		Account: r.Account, AccountName: p.nameOf(r.Account), Region: r.Region, IDsUnknown: r.IDsUnknown, Addendum: (*Addendum)(r.Addendum),
	}
	if actor := f.Actor(); actor != (alert.Actor{}) {
		actor.AccountName = p.nameOf(actor.Account)
		v.Actor = &actor
	}
	if f.Rule.ID != "" {
		v.Rule = &alert.Rule{ID: f.Rule.ID, Title: f.Rule.Title}
	}
	for _, x := range f.Failed {
		v.FailedFlowLogs = append(v.FailedFlowLogs, alert.FlowLog{FlowLogID: x.FlowLogID, ErrorCode: x.Code, ErrorMessage: x.Message})
	}
	if r.NoCall != "" {
		_, v.Why = r.NoCall.Words()
		v.Kind, v.Reason = Ignored, string(r.NoCall)
		return v, nil
	}
	switch f.Kind {
	case detection.Deleted:
		v.FlowLogs, err = p.plan(ctx, f)
	case detection.Created:
		for _, id := range r.CreatedIDs {
			v.FlowLogs = append(v.FlowLogs, Planned{FlowLogID: id})
		}
	case detection.TornDown:
		v.ResourceIDs = []string{r.VPC}
	case detection.Tampered:
		err = p.impact(ctx, &v, r)
	case detection.Attempted, detection.Rehearsed: // AWS changed nothing
	}
	return v, err
}

// Planned is what would be done about one flow log that a record says was deleted. For a flow log that was
// created, or that depends on the target of tampering, it only says which flow log it is.
type Planned struct {
	FlowLogID   string              `json:"flow_log_id"`
	ResourceID  string              `json:"resource_id,omitempty"`
	Destination string              `json:"destination,omitempty"`
	Would       string              `json:"would,omitempty"` // restore, wait, restored, alert_only, exempt, released, held, not_configured, unknown; absent without a state file
	Why         string              `json:"why,omitempty"`
	Incident    incident.State      `json:"incident,omitempty"` // of the incident there is
	FlowLog     *inventory.Settings `json:"flow_log,omitempty"` // what would be created
}
