package remediate_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/ec2"

	"flowkeeper/alert"
	"flowkeeper/alert/sink"
	"flowkeeper/internal/detection"
	"flowkeeper/internal/fakeaws"
	"flowkeeper/inventory"
	"flowkeeper/remediate/incident"
)

// pager is a PagerDuty receiver of HTTP requests, and the sink that sends the alerts of the scene's outbox to
// it.
type pager struct {
	s      *scene
	sink   sink.Sink
	sender *sink.Sender

	mu   sync.Mutex
	open map[string]bool
	rang []string // dedup keys of the incidents, in the order in which they were opened
}

func (s *scene) startPager() *pager {
	s.t.Helper()
	p := &pager{s: s, open: map[string]bool{}}
	server := httptest.NewServer(p)
	s.t.Cleanup(server.Close)
	sink := sink.NewPagerDuty("pager", "R0utingKeyR0utingKeyR0utingKey12", server.URL, "test")
	s.t.Cleanup(sink.Close)
	p.sink, s.sinks = paging{sink}, []string{"pager"}
	s.crash()
	p.connect()
	return p
}

// connect makes a sender for the store that is open now.
func (p *pager) connect() {
	p.sender = sink.NewSender("pager", p.sink, p.s.store, slog.New(slog.DiscardHandler))
	p.sender.Now = p.s.clock
}

// paging is a sink without the kinds of alerts that a PagerDuty sink does not get.
type paging struct{ sink.Sink }

func (p paging) Send(ctx context.Context, a alert.Alert) error {
	if !slices.Contains(sink.PagerKinds, a.Kind) {
		return nil
	}
	return p.Sink.Send(ctx, a)
}

func (p *pager) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	var e struct {
		Action string `json:"event_action"`
		Key    string `json:"dedup_key"`
	}
	_ = json.Unmarshal(body, &e)
	p.mu.Lock()
	defer p.mu.Unlock()
	if e.Action == "trigger" && !p.open[e.Key] {
		p.rang = append(p.rang, e.Key)
	}
	p.open[e.Key] = e.Action == "trigger"
	w.WriteHeader(http.StatusAccepted)
}

// deliver sends all alerts that are due, and returns the dedup keys of the incidents that are open then.
func (p *pager) deliver() (open []string) {
	p.s.t.Helper()
	for p.sender.TryNext(p.s.t.Context()) == 0 {
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	for k, on := range p.open {
		if on {
			open = append(open, k)
		}
	}
	slices.Sort(open)
	return open
}

// campaigns are the campaign IDs of all alerts of a kind, oldest first.
func (s *scene) campaigns(k alert.Kind) (ids []string) {
	for _, a := range s.alerts(k) {
		ids = append(ids, a.CampaignID)
	}
	return ids
}

// TestACampaignIsOneIncident: deletions by one principal, each within ten minutes of the one before, open one
// incident in the pager. It is resolved when the last deletion is closed.
func TestACampaignIsOneIncident(t *testing.T) {
	t.Parallel()
	s := newScene(t)
	p := s.startPager()
	ids := s.protect(3)
	for _, id := range ids {
		s.deliver(s.attack(id))
		p.deliver()
		s.advance(9 * time.Minute)
	}
	c := s.campaigns(alert.Deletion)
	if c[0] == "" || c[0] != c[1] || c[0] != c[2] {
		t.Fatalf("campaigns %q", c)
	}
	for len(s.alerts(alert.Closed)) < 3 {
		if open := p.deliver(); !slices.Equal(open, c[:1]) {
			t.Fatalf("%d of 3 deletions are closed, and the open incidents are %q", len(s.alerts(alert.Closed)), open)
		}
		s.advance(time.Minute)
	}
	if open := p.deliver(); len(open) > 0 || len(p.rang) != 1 {
		t.Errorf("all are closed, and the open incidents are %q; opened were %q", open, p.rang)
	}
	if closed := s.alerts(alert.Closed); !closed[0].CampaignOpen || !closed[1].CampaignOpen || closed[2].CampaignOpen {
		t.Errorf("%v %v %v", closed[0].CampaignOpen, closed[1].CampaignOpen, closed[2].CampaignOpen)
	}
	s.now = s.now.Add(time.Hour)
	s.refresh()
	s.deliver(s.attack(s.flowLogsOn("vpc-1")[0].ID))
	if again := s.campaigns(alert.Deletion)[3]; again == c[0] {
		t.Error("a deletion an hour later is in the same campaign")
	}
}

var scope2 = inventory.Scope{Account: account, Region: "us-east-1"}

// TestACampaignAcrossRegions: deletions in two Regions of an account are one campaign. Its incident in the pager
// is resolved when the deletions of both Regions are closed.
func TestACampaignAcrossRegions(t *testing.T) {
	t.Parallel()
	s := newScene(t)
	p := s.startPager()
	options := s.api.Options()
	options.Region = scope2.Region
	s.r.Fleet = fleet{scope: s.api, scope2: ec2.New(options)}
	there := s.world.Plant(account, scope2.Region, fakeaws.FlowLog{ResourceID: "vpc-9", TrafficType: "ALL", LogDestinationType: "s3", LogDestination: bucket, LogFormat: "${version}", MaxAggregationInterval: 60, CreatedAt: s.now})
	step := func() {
		_, err := s.r.Reconcile(t.Context(), scope2, func() {})
		s.must(err)
	}
	learn := func() {
		_, err := s.r.Refresh(t.Context(), scope2)
		s.must(err)
	}
	learn()
	here := s.protect(1)[0]
	learn()
	elsewhere := s.record(there)
	s.world.Remove(account, scope2.Region, there)
	elsewhere.Record.Region = scope2.Region
	elsewhere = s.judge(elsewhere.Record)
	s.deliver(s.attack(here))
	s.deliver(elsewhere)
	c := s.campaigns(alert.Deletion)
	if c[0] == "" || c[0] != c[1] {
		t.Fatalf("campaigns %q", c)
	}
	step()
	s.advance(3 * time.Minute)
	step() // by now AWS shows what was created in the second Region
	s.advance(17 * time.Minute)
	s.wantState(here, incident.Verified, "")
	if open := p.deliver(); !slices.Equal(open, c[:1]) {
		t.Fatalf("the deletion in one Region is not closed, and the open incidents are %q", open)
	}
	for range 30 {
		step()
		s.now = s.now.Add(time.Minute)
	}
	s.wantState(there, incident.Verified, "")
	if open := p.deliver(); len(open) > 0 || len(p.rang) != 1 {
		t.Errorf("all are closed, and the open incidents are %q; opened were %q", open, p.rang)
	}
}

// TestI2ForgedRecordsHoldNoCampaign: forged records with the attacker's name must neither keep the campaign's
// incident open nor resolve it early. Those of unknown flow logs are in no campaign. One of a live flow log
// delays the end only until AWS has shown that it is alive.
func TestI2ForgedRecordsHoldNoCampaign(t *testing.T) {
	t.Parallel()
	s := newScene(t)
	p := s.startPager()
	ids := s.protect(2)
	s.deliver(s.record(ids[1])) // forged: the flow log is alive
	s.deliver(s.attack(ids[0]))
	c := s.campaigns(alert.Deletion)[0]
	for n := range 90 {
		s.deliver(s.record(fmt.Sprintf("fl-%017x", 0xdead0000+n)))
		if n%10 == 0 {
			s.deliver(s.record(ids[1], fmt.Sprintf("fl-%017x", 0xbeef0000+n)))
		}
		s.advance(30 * time.Second)
		p.deliver()
		if s.incident(ids[0]).State != incident.Verified && !p.open[c] {
			t.Fatal("the campaign is resolved before the real deletion is closed")
		}
	}
	s.wantState(ids[0], incident.Verified, "")
	s.wantState(ids[1], incident.Closed, incident.StillThere)
	if p.open[c] {
		t.Error("forged records keep the campaign open")
	}
	for _, a := range s.alerts(alert.Deletion)[2:] {
		if a.CampaignID != "" {
			t.Fatalf("a deletion of an unknown flow log is in campaign %s", a.CampaignID)
		}
	}
	s.advance(10 * time.Minute)
	if open := p.deliver(); len(open) > 0 {
		t.Errorf("incidents are still open: %q", open)
	}
}

// TestI2ACampaignIsNotHeldForEver: forged records of a live flow log come one after another. A campaign takes no
// more deletions after an hour, so its incident is resolved.
func TestI2ACampaignIsNotHeldForEver(t *testing.T) {
	t.Parallel()
	s := newScene(t)
	p := s.startPager()
	ids := s.protect(2)
	s.deliver(s.attack(ids[0]))
	c := s.campaigns(alert.Deletion)[0]
	start := s.now
	for s.now.Sub(start) < 65*time.Minute || p.open[c] {
		s.deliver(s.record(ids[1]))
		s.advance(time.Minute)
		p.deliver()
		if s.now.Sub(start) > 70*time.Minute {
			t.Fatal("the campaign is still open after 70 minutes")
		}
	}
}

// TestI7ACrashLeavesNoCampaignOpen: the daemon dies before the commit of each of two deletions, and is killed
// each minute after that. All incidents in the pager are resolved all the same.
func TestI7ACrashLeavesNoCampaignOpen(t *testing.T) {
	t.Parallel()
	s := newScene(t)
	p := s.startPager()
	ids := s.protect(2)
	one, two := s.attack(ids[0]), s.attack(ids[1])
	for _, f := range []detection.Finding{one, two} {
		s.r.Store = full{s.store.Remediation()}
		if err := s.r.RecordFindings(t.Context(), []detection.Finding{f}, func() {}); err == nil {
			t.Fatal("acknowledged")
		}
		s.crash()
		s.deliver(f)
	}
	// An alert that bypassed the state file opens an incident of its own, by its dedup key. The closed alert with that key resolves it.
	for _, a := range s.direct {
		s.must(sink.SendAll(t.Context(), map[string]sink.Sink{"pager": p.sink}, a))
	}
	p.connect()
	if open := p.deliver(); len(open) != 3 {
		t.Errorf("the open incidents are %q, want 3", open)
	}
	for range 30 {
		s.advance(time.Minute)
		s.crash()
		p.connect()
		p.deliver()
	}
	if open := p.deliver(); len(open) > 0 {
		t.Errorf("incidents are still open: %q", open)
	}
}

// TestWhatIsAllowedIsNoCampaign: neither the deletion of a released flow log nor a deletion by an unknown actor
// is in a campaign.
func TestWhatIsAllowedIsNoCampaign(t *testing.T) {
	t.Parallel()
	s, ids := protected(t, 2)
	s.release(time.Hour)
	s.deliver(s.attack(ids[0]))
	s.now = s.now.Add(25 * time.Hour)
	nobody := s.attack(ids[1])
	nobody.Record.Identity.ARN, nobody.Record.Identity.Type = "", "Unknown"
	s.deliver(nobody)
	if c := s.campaigns(alert.Deletion); strings.Join(c, "") != "" {
		t.Errorf("campaigns %q", c)
	}
}

// TestI7AnUnknownFlowLogRings: the deletion of an unknown flow log opens an incident in the pager. It stays open
// for five minutes, though a refresh shows earlier that the flow log is unknown.
func TestI7AnUnknownFlowLogRings(t *testing.T) {
	t.Parallel()
	s := newScene(t)
	p := s.startPager()
	s.protect(1)
	s.deliver(s.record("fl-0123456789abcdef0"))
	p.deliver()
	rang := s.now
	s.advance(2*time.Minute + time.Second)
	s.refresh()
	s.advance(time.Second)
	s.wantAlerts(alert.Closed, 1)
	for len(p.deliver()) > 0 {
		s.advance(time.Second)
	}
	if d := s.now.Sub(rang); d != 5*time.Minute {
		t.Errorf("the incident was open for %s, want 5m", d)
	}
}

// TestI7ALateRecordRings: a record comes late, and nothing is left to do about its deletion at once. If it is
// more than a minute late, the incident in the pager stays open for five minutes, so that people notice it.
func TestI7ALateRecordRings(t *testing.T) {
	t.Parallel()
	for _, late := range []time.Duration{30 * time.Second, 2 * time.Minute} {
		s := newScene(t)
		p := s.startPager()
		id := s.protect(1)[0]
		s.policy.AlertOnly = true
		s.crash()
		p.connect()
		f := s.attack(id)
		s.now = s.now.Add(late)
		s.deliver(f)
		p.deliver()
		received := s.now
		s.advance(time.Second)
		s.wantState(id, incident.Closed, incident.AlertOnly)
		for len(p.deliver()) > 0 {
			s.advance(time.Second)
		}
		if d := s.now.Sub(received); (d >= 5*time.Minute) != (late > time.Minute) {
			t.Errorf("a record was received %s late, and the incident was open for %s", late, d)
		}
	}
}
