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

// pagerDutyEvents is where events go but for accounts in the EU, whose place
// is https://events.eu.pagerduty.com.
const pagerDutyEvents = "https://events.pagerduty.com"

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
	return &PagerDuty{httpClient: newHTTPClient(label("pagerduty "+name), version), key: key, endpoint: strings.TrimRight(cmp.Or(endpoint, pagerDutyEvents), "/"), done: map[string]int{}}
}

// stuck ends the key of what has become worse since the deletion: it rings
// again, for those who have acknowledged that one.
const stuck = "/stuck"

// resolves are the keys of the incidents that an alert resolves. Those of the event
// itself are always among them: an alert that was sent without the state file has
// opened an incident by its dedup key, and alerts from before a record said who did it
// belonged to no campaign. A campaign's incident is resolved with the last
// of its deletions.
func resolves(a alert.Alert) (keys []string) {
	if a.Resolves() || a.Kind == alert.Test {
		keys = append(keys, a.DedupKey)
	}
	if a.Kind == alert.Closed {
		keys = append(keys, a.DedupKey+stuck)
	}
	if a.EndsCampaign() {
		keys = append(keys, a.CampaignID, a.CampaignID+stuck)
	}
	return keys
}

// Send triggers an incident, or resolves those that earlier alerts opened. A test is
// both. Of several events none is sent again that was taken. Where PagerDuty finds fault
// with an event, its compact form follows at once.
func (p *PagerDuty) Send(ctx context.Context, a alert.Alert) error {
	var events []pagerduty.V2Event
	if !a.Resolves() {
		events = append(events, p.event(a))
	}
	for _, key := range resolves(a) {
		events = append(events, pagerduty.V2Event{RoutingKey: p.key, Action: "resolve", DedupKey: alert.Clean(key, pagerDedup)})
	}
	var odd error // taken, but oddly
	for n := p.taken(a.ID); n < len(events); n++ {
		err := p.sendWhole(ctx, events[n], func() any { return withoutDetails(events[n], a) }, p.enqueue)
		if err != nil && !asError(err).Taken {
			p.setTaken(a.ID, n)
			return err
		}
		odd = cmp.Or(odd, err)
	}
	p.setTaken(a.ID, 0)
	return odd
}

// taken is how many events of an alert were taken by earlier calls of Send.
func (p *PagerDuty) taken(alertID string) int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.done[alertID]
}

// setTaken notes that so many events of an alert were taken, and not all; 0: none, or all.
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

// enqueue posts one event. The library's own client is not used: its errors repeat
// what the other side wrote, and have no Retry-After.
func (p *PagerDuty) enqueue(ctx context.Context, body []byte) error {
	reply, err := p.request(ctx, http.MethodPost, p.endpoint+"/v2/enqueue", body, nil)
	switch {
	case err != nil:
		return err
	case reply.status == http.StatusAccepted:
		return nil
	case isSuccess(reply.status):
		return p.odd(fmt.Sprintf("answered %d instead of 202: is its url PagerDuty's?", reply.status))
	}
	return p.judge(reply, "check its routing_key, of an integration \"Events API v2\", and url if the account is in the EU")
}
