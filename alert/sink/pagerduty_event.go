package sink

import (
	"cmp"
	"encoding/json"
	"slices"
	"strings"

	"github.com/PagerDuty/go-pagerduty"

	"flowkeeper/alert"
)

// Limits of the Events API v2
// (developer.pagerduty.com/docs/send-alert-event and /docs/event-management).
const (
	pagerDedup = 255       // characters
	pagerEvent = 256 << 10 // bytes: half of what the API takes
)

const (
	// pagerListed limits how many flow logs an event lists.
	pagerListed = 20
	// pagerText limits the text, in characters, if the event would be too large with the
	// whole text.
	pagerText = 4000
)

// event is the alert as an event that triggers an incident, with fewer flow logs and less
// text if it would be too large.
func (p *PagerDuty) event(a alert.Alert) pagerduty.V2Event {
	key := cmp.Or(a.CampaignID, a.DedupKey) // all deletions of a campaign share an incident
	if a.NotBack() {
		key += stuckSuffix
	}
	e := pagerduty.V2Event{RoutingKey: p.key, Action: "trigger", DedupKey: alert.Clean(key, pagerDedup), Client: "Flowkeeper"}
	for n := pagerListed; ; n /= 2 {
		e.Payload = pagerPayload(a, n)
		if data, err := json.Marshal(e); err != nil || len(data) < pagerEvent || n == 0 {
			return e
		}
		a.Text = shorten(a.Text, pagerText)
	}
}

// withoutDetails is the compact form of an event, with few details. An event that resolves
// has no shorter form.
func withoutDetails(e pagerduty.V2Event, a alert.Alert) pagerduty.V2Event {
	if e.Payload == nil {
		return e
	}
	payload := *e.Payload
	payload.Details = pagerDetails{EventID: a.EventID, Alert: a.ID, More: a.Words().Command(), Count: countOf(a)}
	e.Payload = &payload
	return e
}

// shorten cuts a text of several lines to limit characters.
func shorten(s string, limit int) string {
	if r := []rune(s); len(r) > limit {
		return string(r[:limit-1]) + "…"
	}
	return s
}

func pagerPayload(a alert.Alert, flowLogs int) *pagerduty.V2Payload {
	return &pagerduty.V2Payload{
		Summary:   a.Title,
		Source:    cmp.Or(strings.Trim(a.Account+"/"+a.Region, "/"), "flowkeeper"),
		Severity:  cmp.Or(pagerSeverities[a.Level], "info"),
		Timestamp: a.Time.String(),
		Component: component(a.FlowLogs),
		Group:     a.Region,
		Class:     string(a.Kind),
		Details:   detailsOf(a, flowLogs),
	}
}

// pagerSeverities are the severities of the levels that are not "info".
var pagerSeverities = map[alert.Level]string{alert.Critical: "critical", alert.High: "error", alert.Medium: "warning"}

// component is the ID of the flow log if an alert has one, or of the resource if several
// have the same.
func component(logs []alert.FlowLog) string {
	if len(logs) == 1 {
		return logs[0].FlowLogID
	}
	one := ""
	for _, f := range logs {
		if one != "" && f.ResourceID != one {
			return ""
		}
		one = f.ResourceID
	}
	return one
}

// pagerDetails is what the person on call needs to know. Absent means unknown.
type pagerDetails struct {
	Cause      string   `json:"what,omitempty"`
	Who        string   `json:"who,omitempty"`
	Role       string   `json:"role,omitempty"`
	MFA        string   `json:"mfa,omitempty"`
	From       string   `json:"from,omitempty"`
	With       string   `json:"with,omitempty"`
	Via        string   `json:"via,omitempty"`
	When       string   `json:"when,omitempty"`
	Account    string   `json:"account,omitempty"` // if its name is known: Source has the number
	Before     string   `json:"before,omitempty"`
	RaisedBy   string   `json:"raised_because,omitempty"`
	Target     string   `json:"target,omitempty"`
	Rule       string   `json:"rule,omitempty"`
	EventID    string   `json:"event_id,omitempty"`
	Alert      string   `json:"alert"`
	Count      string   `json:"flow_logs_count,omitempty"`
	FlowLogs   []string `json:"flow_logs,omitempty"`
	Refused    []string `json:"refused,omitempty"`
	Flowkeeper string   `json:"flowkeeper,omitempty"`
	ToDo       string   `json:"to_do,omitempty"`
	More       string   `json:"more"`
	Campaign   string   `json:"campaign,omitempty"`
	Text       string   `json:"text,omitempty"`
}

func detailsOf(a alert.Alert, most int) pagerDetails {
	d := pagerDetails{
		Cause: a.Cause, Who: alert.Clean(a.Words().Who(), 2*alert.MaxField), When: a.Words().When(), Before: alert.Clean(a.Words().Before(), alert.MaxField),
		RaisedBy: alert.Clean(a.Words().RaisedBecause(), alert.MaxField), Target: a.Target, EventID: a.EventID, Alert: a.ID, Campaign: a.CampaignID,
		Count: countOf(a), FlowLogs: a.Words().Lines(a.FlowLogs, most, 2*alert.MaxField), Refused: a.Words().Lines(a.FailedFlowLogs, most, 2*alert.MaxField),
		Flowkeeper: a.Words().Doing(), ToDo: alert.Clean(a.Words().ToDo(), alert.MaxField), More: a.Words().Command(), Text: a.Text,
	}
	if a.AccountName != "" {
		d.Account = alert.WithAccount(a.Account, a.AccountName)
	}
	if a.Rule != nil {
		d.Rule = alert.Clean(a.Rule.Title+" ("+a.Rule.ID+")", alert.MaxField)
	}
	if who := a.Actor; who != nil {
		d.MFA, d.From, d.With, d.Via = who.MFAWords(), who.SourceIP, who.UserAgent, who.Via
		if who.ARN != "" {
			d.Role = who.SessionIssuer
		}
	}
	return d
}

// countOf says how many flow logs an alert names, and their states; empty if it names none.
func countOf(a alert.Alert) string {
	if all := slices.Concat(a.FlowLogs, a.FailedFlowLogs); len(all) > 0 {
		return alert.Tally(all)
	}
	return ""
}
