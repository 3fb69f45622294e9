package sink

import (
	"cmp"
	"context"
	"fmt"
	"net/http"
	"strings"
	"sync"

	"github.com/PagerDuty/go-pagerduty"

	"flowkeeper/alert"
)

// pagerDutyEvents is the endpoint for events; accounts in the EU use
// https://events.eu.pagerduty.com.
const pagerDutyEvents = "https://events.pagerduty.com"

// PagerKinds are the kinds of alerts that a PagerDuty sink gets unless its configuration
// names others: all except restored. A restored alert needs no action, and would open an
// incident again that a person has resolved. The closed alert resolves the incident.
var PagerKinds = []alert.Kind{alert.Deletion, alert.Attempt, alert.Blocked, alert.Closed, alert.Flapping, alert.Decoy, alert.Tamper, alert.Pipeline, alert.Destination}

// PagerDuty triggers and resolves incidents by the Events API v2. It is safe for
// concurrent use.
type PagerDuty struct {
	httpClient
	key      string // secret
	endpoint string // scheme and host

	mu   sync.Mutex     // guards done
	done map[string]int // by alert ID: how many of its events PagerDuty has taken, if not yet all
}

// NewPagerDuty returns the PagerDuty sink called name. The key is that of an
// "Events API v2" integration. The endpoint is scheme and host; an empty one means
// https://events.pagerduty.com. The caller has checked both, as configs.Load does.
func NewPagerDuty(name, key, endpoint, version string) *PagerDuty {
	return &PagerDuty{httpClient: newHTTPClient(label("pagerduty "+name), version), key: key, endpoint: strings.TrimRight(cmp.Or(endpoint, pagerDutyEvents), "/"), done: map[string]int{}}
}

// stuckSuffix ends the key of alerts about flow logs that are not back. With a key of their
// own they page again, even if somebody has acknowledged the deletion.
const stuckSuffix = "/stuck"

// resolvedKeys are the keys of the incidents that an alert resolves. The keys of the event
// itself are always among them, because two kinds of alerts open an incident by the dedup
// key although the event has a campaign: alerts that were sent without the state file, and
// alerts from before a record said who made the call. The closed alert of a campaign's last
// deletion resolves the campaign's incident.
func resolvedKeys(a alert.Alert) (keys []string) {
	if a.Resolves() || a.Kind == alert.Test {
		keys = append(keys, a.DedupKey)
	}
	if a.Kind == alert.Closed {
		keys = append(keys, a.DedupKey+stuckSuffix)
	}
	if a.EndsCampaign() {
		keys = append(keys, a.CampaignID, a.CampaignID+stuckSuffix)
	}
	return keys
}

// Send triggers an incident, or resolves the incidents that earlier alerts opened. A test
// alert does both. If an alert needs several events, a later call of Send does not repeat
// those that PagerDuty has taken. If PagerDuty refuses an event as invalid or too large,
// its compact form is sent at once.
func (p *PagerDuty) Send(ctx context.Context, a alert.Alert) error {
	var events []pagerduty.V2Event
	if !a.Resolves() {
		events = append(events, p.event(a))
	}
	for _, key := range resolvedKeys(a) {
		events = append(events, pagerduty.V2Event{RoutingKey: p.key, Action: "resolve", DedupKey: alert.Clean(key, pagerDedup)})
	}
	var unexpected error // about an event that was taken
	for n := p.taken(a.ID); n < len(events); n++ {
		err := p.sendWhole(ctx, events[n], func() any { return withoutDetails(events[n], a) }, p.enqueue)
		if err != nil && !asError(err).Taken {
			p.setTaken(a.ID, n)
			return err
		}
		unexpected = cmp.Or(unexpected, err)
	}
	p.setTaken(a.ID, 0)
	return unexpected
}

// taken is how many events of an alert PagerDuty has taken from earlier calls of Send.
func (p *PagerDuty) taken(alertID string) int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.done[alertID]
}

// setTaken notes how many events of an alert PagerDuty has taken so far; 0 if it has taken
// none or all.
func (p *PagerDuty) setTaken(alertID string, events int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if events == 0 {
		delete(p.done, alertID)
		return
	}
	if len(p.done) >= 1000 {
		clear(p.done)
	}
	p.done[alertID] = events
}

// enqueue posts one event. It does not use the library's client, whose errors contain the
// text of the response, but no Retry-After.
func (p *PagerDuty) enqueue(ctx context.Context, body []byte) error {
	reply, err := p.request(ctx, http.MethodPost, p.endpoint+"/v2/enqueue", body, nil)
	switch {
	case err != nil:
		return err
	case reply.status == http.StatusAccepted:
		return nil
	case isSuccess(reply.status):
		return p.unexpected(fmt.Sprintf("answered %d instead of 202: is its url PagerDuty's?", reply.status))
	}
	return p.judge(reply, "check its routing_key, of an integration \"Events API v2\", and url if the account is in the EU")
}
