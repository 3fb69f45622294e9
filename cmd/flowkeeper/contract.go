package main

import (
	"time"

	"flowkeeper/alert"
	"flowkeeper/alert/sink"
	"flowkeeper/inventory"
	"flowkeeper/remediate/incident"
)

// The JSON in this file is a public contract, as exportfile.FlowLog is: names and meanings
// stay, what is not known is absent, times are RFC 3339 in UTC with milliseconds.

// incidentJSON is one incident.
type incidentJSON struct {
	ID            string              `json:"id"`
	FlowLogID     string              `json:"flow_log_id"`
	RootFlowLogID string              `json:"root_flow_log_id,omitempty"`
	Account       string              `json:"account"`
	AccountName   string              `json:"account_name,omitempty"`
	Region        string              `json:"region"`
	ResourceID    string              `json:"resource_id,omitempty"`
	ResourceName  string              `json:"resource_name,omitempty"` // its tag Name
	State         incident.State      `json:"state"`
	Reason        incident.Reason     `json:"reason,omitempty"`
	Advice        string              `json:"advice,omitempty"`
	Source        string              `json:"source,omitempty"`
	EventID       string              `json:"event_id,omitempty"`
	DeletedAt     alert.Time          `json:"deleted_at,omitzero"`
	DetectedAt    alert.Time          `json:"detected_at,omitzero"`
	LastSeenAt    alert.Time          `json:"last_seen_at,omitzero"`
	RestoredAt    alert.Time          `json:"restored_at,omitzero"`
	VerifiedAt    alert.Time          `json:"verified_at,omitzero"`
	NewFlowLogID  string              `json:"new_flow_log_id,omitempty"`
	BlindSeconds  *float64            `json:"blind_seconds,omitempty"`
	Attempts      int                 `json:"attempts"`
	NextAttemptAt alert.Time          `json:"next_attempt_at,omitzero"`
	ErrorMessage  string              `json:"error_message,omitempty"` // AWS's answer to the last attempt
	Differences   []string            `json:"differences,omitempty"`   // between the decoy and the lost flow log
	FlowLog       *inventory.Settings `json:"flow_log,omitempty"`
	Actor         *alert.Actor        `json:"actor,omitempty"`
	History       []entryJSON         `json:"history,omitempty"` // in `show` only
}

// entryJSON is one line of an incident's history.
type entryJSON struct {
	Time    alert.Time      `json:"time"`
	State   incident.State  `json:"state"`
	Reason  incident.Reason `json:"reason,omitempty"`
	Text    string          `json:"text,omitempty"`
	EventID string          `json:"event_id,omitempty"`
	Actor   *alert.Actor    `json:"actor,omitempty"`
}

func toIncidentJSON(i incident.Incident, history []incident.Entry) incidentJSON {
	out := incidentJSON{
		ID: i.FlowLogID, FlowLogID: i.FlowLogID, RootFlowLogID: i.RootID, Account: i.Scope.Account, Region: i.Scope.Region,
		ResourceID: i.ResourceID, State: i.State, Reason: i.Reason, Advice: i.Advice, Source: i.Source, EventID: i.EventID,
		DeletedAt: jsonTime(i.DeletedAt), DetectedAt: jsonTime(i.DetectedAt), LastSeenAt: jsonTime(i.LastSeenAt),
		RestoredAt: jsonTime(i.RestoredAt), VerifiedAt: jsonTime(i.VerifiedAt), NewFlowLogID: i.NewID,
		Attempts: max(i.Attempts, i.Tried), NextAttemptAt: jsonTime(i.NextAttemptAt), Actor: jsonActor(i.Actor),
	}
	if i.Pending() {
		out.ErrorMessage = i.LastError
		if i.Stuck != nil && i.Stuck.Kind == alert.Decoy {
			out.Differences = i.Stuck.Differences
		}
	}
	if s, ok := i.BlindSeconds(); ok {
		out.BlindSeconds = &s
	}
	if i.Known {
		out.FlowLog = &i.Frozen
	}
	for _, e := range history {
		out.History = append(out.History, entryJSON{Time: jsonTime(e.At), State: e.State, Reason: e.Reason, Text: e.Text, EventID: e.EventID, Actor: jsonActor(e.Actor)})
	}
	return out
}

// jsonTime returns t in the form of the contract.
func jsonTime(t time.Time) alert.Time { return alert.Time{Time: t} }

// jsonActor returns the actor, or nil if nothing is known of it.
func jsonActor(a *alert.Actor) *alert.Actor {
	if a == nil || *a == (alert.Actor{}) {
		return nil
	}
	return a
}

// alertJSON is one alert with its deliveries.
type alertJSON struct {
	alert.Alert
	Deliveries []deliveryJSON `json:"deliveries"`
}

func toAlertJSON(a alert.Alert, ds []sink.Delivery) alertJSON {
	out := alertJSON{Alert: a, Deliveries: []deliveryJSON{}}
	for _, d := range ds {
		x := deliveryJSON{Sink: d.Sink, State: d.State(), Attempts: d.Attempts, SentAt: jsonTime(d.SentAt), Error: d.Error}
		if x.State == sink.Pending {
			x.NextAttemptAt = jsonTime(d.NextAt)
		}
		out.Deliveries = append(out.Deliveries, x)
	}
	return out
}

// deliveryJSON is the delivery of an alert to one sink.
type deliveryJSON struct {
	Sink          string     `json:"sink"`
	State         string     `json:"state"` // pending, sent or given_up
	Attempts      int        `json:"attempts"`
	SentAt        alert.Time `json:"sent_at,omitzero"`
	NextAttemptAt alert.Time `json:"next_attempt_at,omitzero"`
	Error         string     `json:"error,omitempty"`
}
