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

// pager is PagerDuty, as an HTTP receiver and the sink that posts to it, behind the
// scene's outbox.
type pager struct {
	s      *scene
	sink   sink.Sink
	sender *sink.Sender

	mu   sync.Mutex
	open map[string]bool
	rang []string // keys, as they were opened
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

// connect makes a sender on the store that is open now.
func (p *pager) connect() {
	p.sender = sink.NewSender("pager", p.sink, p.s.store, slog.New(slog.DiscardHandler))
	p.sender.Now = p.s.clock
}

// paging leaves out what a PagerDuty sink does not ask for.
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

// deliver delivers all that is due, and returns the keys that are open then.
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

// campaigns are those of a kind of alert, in order.
func (s *scene) campaigns(k alert.Kind) (ids []string) {
	for _, a := range s.alerts(k) {
		ids = append(ids, a.CampaignID)
	}
	return ids
}

// TestACampaignIsOneIncident: deletions by one principal within ten minutes of each
// other open one incident, which is resolved when the last of them is settled.
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
			t.Fatalf("%d of 3 are settled, and open is %q", len(s.alerts(alert.Closed)), open)
		}
		s.advance(time.Minute)
	}
	if open := p.deliver(); len(open) > 0 || len(p.rang) != 1 {
		t.Errorf("open is %q; it rang %q", open, p.rang)
	}
	if closed := s.alerts(alert.Closed); !closed[0].CampaignOpen || !closed[1].CampaignOpen || closed[2].CampaignOpen {
		t.Errorf("%v %v %v", closed[0].CampaignOpen, closed[1].CampaignOpen, closed[2].CampaignOpen)
	}
	s.now = s.now.Add(time.Hour)
	s.refresh()
	s.deliver(s.attack(s.flowLogsOn("vpc-1")[0].ID))
	if again := s.campaigns(alert.Deletion)[3]; again == c[0] {
		t.Error("an hour later it is the same campaign")
	}
}

var scope2 = inventory.Scope{Account: account, Region: "us-east-1"}

// TestACampaignAcrossRegions of one account ends with the last Region's.
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
	step() // AWS shows what the second Region has made
	s.advance(17 * time.Minute)
	s.wantState(here, incident.Verified, "")
	if open := p.deliver(); !slices.Equal(open, c[:1]) {
		t.Fatalf("one Region is not settled, and open is %q", open)
	}
	for range 30 {
		step()
		s.now = s.now.Add(time.Minute)
	}
	s.wantState(there, incident.Verified, "")
	if open := p.deliver(); len(open) > 0 || len(p.rang) != 1 {
		t.Errorf("open is %q; it rang %q", open, p.rang)
	}
}

// TestI2ForgedRecordsHoldNoCampaign: records of unknown flow logs in the attacker's
// name have no part in the campaign; one of a flow log that is there delays its end
// until AWS has shown that, and cannot bring it forward.
func TestI2ForgedRecordsHoldNoCampaign(t *testing.T) {
	t.Parallel()
	s := newScene(t)
	p := s.startPager()
	ids := s.protect(2)
	s.deliver(s.record(ids[1])) // forged: it is there
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
			t.Fatal("it is resolved before the real deletion is settled")
		}
	}
	s.wantState(ids[0], incident.Verified, "")
	s.wantState(ids[1], incident.Closed, incident.StillThere)
	if p.open[c] {
		t.Error("made-up records keep the campaign open")
	}
	for _, a := range s.alerts(alert.Deletion)[2:] {
		if a.CampaignID != "" {
			t.Fatalf("a made-up flow log is in campaign %s", a.CampaignID)
		}
	}
	s.advance(10 * time.Minute)
	if open := p.deliver(); len(open) > 0 {
		t.Errorf("open are %q", open)
	}
}

// TestI2ACampaignIsNotHeldForEver by forged records of what is there, one after another:
// it takes none after an hour.
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
			t.Fatal("it is still open")
		}
	}
}

// TestI7ACrashLeavesNoCampaignOpen: the daemon dies before every commit of two
// deletions in turn.
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
	// What went past the state file rings by the dedup key, and is resolved with it.
	for _, a := range s.direct {
		s.must(sink.SendAll(t.Context(), map[string]sink.Sink{"pager": p.sink}, a))
	}
	p.connect()
	if open := p.deliver(); len(open) != 3 {
		t.Errorf("open are %q", open)
	}
	for range 30 {
		s.advance(time.Minute)
		s.crash()
		p.connect()
		p.deliver()
	}
	if open := p.deliver(); len(open) > 0 {
		t.Errorf("open are %q", open)
	}
}

// TestWhatIsAllowedIsNoCampaign, nor is what has no known actor.
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

// TestI7AnUnknownFlowLogRings: its deletion opens the pager, and closes it five minutes
// later, though a refresh finds at once that it is unknown.
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
		t.Errorf("it rang for %s", d)
	}
}

// TestI7ALateRecordRings: the way of events was slow, and all is over at once.
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
			t.Errorf("received %s late, it rang for %s", late, d)
		}
	}
}
