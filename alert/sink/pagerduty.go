package sink

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"

	"github.com/PagerDuty/go-pagerduty"

	"flowkeeper/alert"
)

// pagerDutyEvents is where events go but for accounts in the EU, whose place
// is https://events.eu.pagerduty.com.
const pagerDutyEvents = "https://events.pagerduty.com"

// Limits of the Events API v2
// (developer.pagerduty.com/docs/send-alert-event and /docs/event-management).
const (
	pagerSummary = 1024      // characters
	pagerDedup   = 255       // characters
	pagerEvent   = 256 << 10 // bytes: half of what the API takes
)

const (
	// pagerListed bounds how many flow logs an event names.
	pagerListed = 20
	// pagerText bounds the text where an event would be too large with all of it,
	// in characters.
	pagerText = 4000
)

// PagerKinds are the alerts that a PagerDuty sink gets unless its
// configuration names others: all but restored. That one calls for nothing, and
// would open again what a person has already resolved; closed resolves.
var PagerKinds = []alert.Kind{alert.Deletion, alert.Attempt, alert.Blocked, alert.Closed, alert.Flapping, alert.Decoy, alert.Tamper, alert.Pipeline, alert.Destination}

// PagerDuty triggers and resolves incidents by the Events API v2. It is safe for
// concurrent use.
type PagerDuty struct {
	httpClient
	key      string // secret
	endpoint string // scheme and host

	mu   sync.Mutex     // guards done
	done map[string]int // by alert: so many of its events are taken, and not yet all
}

// NewPagerDuty returns the PagerDuty sink called name. The key is that of an
// "Events API v2" integration; endpoint is scheme and host, and an empty one is
// https://events.pagerduty.com. The caller has checked both, as configs.Load does.
func NewPagerDuty(name, key, endpoint, version string) *PagerDuty {
	return &PagerDuty{httpClient: newHTTPClient(label("pagerduty "+name), version), key: key, endpoint: strings.TrimRight(cmp.Or(endpoint, pagerDutyEvents), "/")}
}

// stuck ends the key of what has become worse since the deletion: it rings
// again, for those who have acknowledged that one.
const stuck = "/stuck"

// incidentKey is what an alert opens an incident by: all deletions of a campaign
// share one.
func incidentKey(a alert.Alert) string { return cmp.Or(a.CampaignID, a.DedupKey) }

// resolves are the keys of the incidents that an alert resolves. Those of the event
// itself are always among them: an alert that was sent without the state file has
// opened an incident by its dedup key, and alerts from before a record said who did it
// belonged to no campaign. A campaign's incident is resolved with the last
// of its deletions.
func resolves(a alert.Alert) []string {
	switch {
	case a.Kind == alert.Test:
		return []string{a.DedupKey}
	case !a.Resolves():
		return nil
	case a.Kind != alert.Closed:
		return []string{a.DedupKey}
	case a.CampaignID == "" || a.CampaignOpen:
		return []string{a.DedupKey, a.DedupKey + stuck}
	}
	return []string{a.DedupKey, a.DedupKey + stuck, a.CampaignID, a.CampaignID + stuck}
}

// Send triggers an incident, or resolves those that earlier alerts opened. A test is
// both. Of several events none is sent again that was taken.
func (p *PagerDuty) Send(ctx context.Context, a alert.Alert) error {
	var events []func() error
	if !a.Resolves() {
		events = append(events, func() error { return p.trigger(ctx, a) })
	}
	for _, key := range resolves(a) {
		events = append(events, func() error { return p.resolve(ctx, key) })
	}
	var odd error // taken, but oddly
	for n := p.taken(a.ID); n < len(events); n++ {
		err := events[n]()
		if err != nil && !asError(err).Taken {
			return err
		}
		odd = cmp.Or(odd, err)
		p.take(a.ID, n+1)
	}
	p.forget(a.ID)
	return odd
}

// taken is how many events of an alert were taken by earlier calls of Send.
func (p *PagerDuty) taken(alertID string) int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.done[alertID]
}

// take notes that so many events of an alert were taken.
func (p *PagerDuty) take(alertID string, events int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.done == nil || len(p.done) >= 1000 {
		p.done = map[string]int{}
	}
	p.done[alertID] = events
}

func (p *PagerDuty) forget(alertID string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.done, alertID)
}

// trigger opens an incident, or adds to it; in its compact form, where PagerDuty
// finds fault with the whole one.
func (p *PagerDuty) trigger(ctx context.Context, a alert.Alert) error {
	event := p.event(a)
	return p.sendWhole(ctx, event, func() any { return withoutDetails(event, a) }, p.enqueue)
}

// resolve closes the incident that was opened by key, if there is one. Such an event
// has no shorter form.
func (p *PagerDuty) resolve(ctx context.Context, key string) error {
	event := pagerduty.V2Event{RoutingKey: p.key, Action: "resolve", DedupKey: alert.Clean(key, pagerDedup)}
	return p.sendWhole(ctx, event, func() any { return event }, p.enqueue)
}

// enqueue posts one event. The library's own client is not used: its errors repeat
// what the other side wrote, and have no Retry-After.
func (p *PagerDuty) enqueue(ctx context.Context, body []byte) error {
	reply, err := p.post(ctx, p.endpoint+"/v2/enqueue", body, nil)
	switch {
	case err != nil:
		return err
	case reply.status == http.StatusAccepted:
		return nil
	case reply.success():
		return p.odd(fmt.Sprintf("answered %d instead of 202: is its url PagerDuty's?", reply.status))
	}
	return p.judge(reply, "check its routing_key, of an integration \"Events API v2\", and url if the account is in the EU")
}

// event is the alert as PagerDuty takes it: with fewer flow logs, and less
// text, where it would be too large.
func (p *PagerDuty) event(a alert.Alert) pagerduty.V2Event {
	key := incidentKey(a)
	if a.NotBack() {
		key += stuck
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

// withoutDetails is an event with little more than what happened.
func withoutDetails(e pagerduty.V2Event, a alert.Alert) pagerduty.V2Event {
	payload := *e.Payload
	payload.Details = pagerDetails{EventID: a.EventID, Alert: a.ID, More: a.Words().Command(), Count: countOf(a)}
	e.Payload = &payload
	return e
}

// shorten cuts a text of several lines.
func shorten(s string, limit int) string {
	if r := []rune(s); len(r) > limit {
		return string(r[:limit-1]) + "…"
	}
	return s
}

func pagerPayload(a alert.Alert, flowLogs int) *pagerduty.V2Payload {
	return &pagerduty.V2Payload{
		Summary:   alert.Clean(cmp.Or(a.Title, string(a.Kind)), pagerSummary),
		Source:    cmp.Or(strings.Trim(a.Account+"/"+a.Region, "/"), "flowkeeper"),
		Severity:  pagerSeverity(a.Level),
		Timestamp: a.Time.String(),
		Component: component(a.FlowLogs),
		Group:     a.Region,
		Class:     string(a.Kind),
		Details:   detailsOf(a, flowLogs),
	}
}

func pagerSeverity(l alert.Level) string {
	switch l {
	case alert.Critical:
		return "critical"
	case alert.High:
		return "error"
	case alert.Medium:
		return "warning"
	}
	return "info"
}

// component is the one flow log of an alert, or the one resource of several.
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

// pagerDetails is what one needs to acknowledge or to act. Absent means
// unknown.
type pagerDetails struct {
	Cause      string   `json:"what,omitempty"`
	Who        string   `json:"who,omitempty"`
	Role       string   `json:"role,omitempty"`
	MFA        string   `json:"mfa,omitempty"`
	From       string   `json:"from,omitempty"`
	With       string   `json:"with,omitempty"`
	Via        string   `json:"via,omitempty"`
	When       string   `json:"when,omitempty"`
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
	w := a.Words()
	d := pagerDetails{
		Cause: alert.Clean(a.Cause, alert.MaxField), Who: alert.Clean(w.Who(), 2*alert.MaxField), When: w.When(),
		Before: alert.Clean(w.Before(), alert.MaxField), RaisedBy: alert.Clean(w.RaisedBecause(), alert.MaxField), Target: alert.Clean(a.Target, alert.MaxField),
		EventID: a.EventID, Alert: a.ID, Campaign: alert.Clean(a.CampaignID, alert.MaxField), Flowkeeper: w.Doing(), ToDo: alert.Clean(w.ToDo(), alert.MaxField),
		Count: countOf(a), FlowLogs: linesOf(a, a.FlowLogs, most), Refused: linesOf(a, a.FailedFlowLogs, most), More: w.Command(), Text: a.Text,
	}
	if a.Rule != nil {
		d.Rule = alert.Clean(a.Rule.Title+" ("+a.Rule.ID+")", alert.MaxField)
	}
	if who := a.Actor; who != nil {
		d.MFA, d.From, d.With, d.Via = who.MFAWords(), alert.Clean(who.SourceIP, alert.MaxField), alert.Clean(who.UserAgent, alert.MaxField), alert.Clean(who.Via, alert.MaxField)
		if who.ARN != "" {
			d.Role = alert.Clean(who.SessionIssuer, alert.MaxField)
		}
	}
	return d
}

// countOf is how many flow logs an alert names, and how they stand; nothing of none.
func countOf(a alert.Alert) string {
	if all := slices.Concat(a.FlowLogs, a.FailedFlowLogs); len(all) > 0 {
		return alert.Tally(all)
	}
	return ""
}

// linesOf are the first flow logs, a line each, and how many more there are.
func linesOf(a alert.Alert, logs []alert.FlowLog, most int) []string {
	var out []string
	for _, f := range logs[:min(len(logs), most)] {
		out = append(out, alert.Clean(f.Line(a), 2*alert.MaxField))
	}
	if more := len(logs) - len(out); more > 0 {
		out = append(out, fmt.Sprintf("and %d more", more))
	}
	return out
}
