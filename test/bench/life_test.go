package bench_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"flowkeeper/internal/fakeaws/fakeawstest"
	"flowkeeper/inventory"
)

const (
	lasts     = 30              // seconds
	perRegion = 4               // deletions a second: AWS, and so Flowkeeper, allows no more than 5 creates a second for long
	settle    = 5 * time.Second // verified and closed that long after the restore
)

// BenchmarkLife sends deletions at a steady rate, each of which goes through its whole life: received, alerted,
// restored, verified, closed. The real binary has a process of its own, so that its CPU time is known; AWS, the
// pager and the attacker run in the test's process. AWS limits each action in each Region as it documents, so 20
// deletions a second are spread over five Regions.
func BenchmarkLife(b *testing.B) {
	for _, regions := range [][]string{{region}, {region, "eu-west-2", "eu-west-3", "eu-central-1", "eu-north-1"}} {
		b.Run(fmt.Sprintf("per-second=%d", perRegion*len(regions)), func(b *testing.B) { benchLife(b, regions) })
	}
}

func benchLife(b *testing.B, regions []string) {
	lives, perSecond := lasts*perRegion*len(regions), perRegion*len(regions)
	bare, bareAlert := newBed(b, 0).atRate(b, regions, func(s *bed, pager *lifePager) (stop func()) {
		ctx, cancel := context.WithCancel(within(b, 2*time.Minute))
		s.pager = pager.URL
		done := make(chan error, 1)
		go func() { done <- s.bare(ctx, make(chan struct{})) }()
		return func() { cancel(); must(b, <-done) }
	})
	var d *process
	var cpu time.Duration
	create, alert := newBed(b, 0).atRate(b, regions, func(s *bed, pager *lifePager) (stop func()) {
		d = s.start(b, pager.URL, len(regions), fmt.Sprintf("inventory: {schedule: \"@every 1h\", settle: %s, regions: [%s]}\nremediate: {verify_after: %[1]s}\n",
			settle, strings.Join(regions, ", ")))
		before := d.cpu(b)
		return func() {
			pager.await(b, "closed", lives)
			cpu = d.cpu(b) - before
			d.stop(b)
		}
	})
	b.Logf("\n%d deletions, %d a second: %.1f ms of CPU each"+
		"\nsend to CreateFlowLogs answered: flowkeeper %s\n                                 bare loop  %s   ratio %.2f (median)"+
		"\nsend to alert received:          flowkeeper %s\n                                 bare loop  %s   ratio %.2f (median)",
		lives, perSecond, ms(cpu)/float64(lives), create, bare, ratio(create.median, bare.median), alert, bareAlert, ratio(alert.median, bareAlert.median))
	b.ReportMetric(ms(cpu)/float64(lives), "ms-CPU/deletion")
	b.ReportMetric(ms(create.median), "ms-create")
	b.ReportMetric(ms(alert.median), "ms-alert")
	b.ReportMetric(0, "ns/op")
}

// atRate starts a program, deletes at a steady rate, in one Region after the other, waits until all is restored
// and alerted, and stops the program. It returns how long create and alert took after each deletion was sent.
func (s *bed) atRate(b *testing.B, regions []string, start func(*bed, *lifePager) (stop func())) (create, alert spread) {
	s.world.SetRates(fakeawstest.AWSRates())
	scope := func(n int) inventory.Scope { return inventory.Scope{Account: account, Region: regions[n%len(regions)]} }
	var ids []string
	for n := range lasts * perRegion * len(regions) {
		id := s.world.Plant(account, scope(n).Region, flowLog(vpc(n)))
		s.resource[id] = vpc(n)
		ids = append(ids, id)
	}
	pager := newLifePager(b)
	stop := start(s, pager)
	sent := map[string]time.Time{} // by resource
	began := time.Now()
	for n, id := range ids {
		time.Sleep(time.Until(began.Add(time.Duration(n) * time.Second / time.Duration(perRegion*len(regions)))))
		s.world.Remove(account, scope(n).Region, id)
		sent[vpc(n)] = time.Now()
		must(b, s.world.Send(s.queue, deletionIn(scope(n), id)))
	}
	pager.await(b, "deletion", len(ids))
	s.nthCreate(within(b, time.Minute), len(ids)-1)
	stop()
	var creates, alerts []time.Duration
	for _, c := range s.world.Calls("CreateFlowLogs") {
		creates = append(creates, c.Time.Sub(sent[c.Form.Get("ResourceId.1")]))
	}
	for n, id := range ids {
		alerts = append(alerts, pager.first(id).Sub(sent[vpc(n)]))
	}
	return spreadOf(creates), spreadOf(alerts)
}

// lifePager receives alerts, and notes when each first came.
type lifePager struct {
	*httptest.Server
	mu   sync.Mutex                      // guards seen
	seen map[string]map[string]time.Time // by kind and event
}

func newLifePager(b *testing.B) *lifePager {
	p := &lifePager{seen: map[string]map[string]time.Time{}}
	p.Server = httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		at := time.Now()
		var alert struct {
			Kind    string
			EventID string                   `json:"event_id"`
			Detail  struct{ EventID string } // the bare loop posts the message itself
		}
		if body, err := io.ReadAll(r.Body); err != nil || json.Unmarshal(body, &alert) != nil {
			return
		}
		if alert.Detail.EventID != "" {
			alert.Kind, alert.EventID = "deletion", alert.Detail.EventID
		}
		p.mu.Lock()
		defer p.mu.Unlock()
		if p.seen[alert.Kind] == nil {
			p.seen[alert.Kind] = map[string]time.Time{}
		}
		if _, again := p.seen[alert.Kind][alert.EventID]; !again {
			p.seen[alert.Kind][alert.EventID] = at
		}
	}))
	b.Cleanup(p.Close)
	return p
}

// first is when the deletion alert of a flow log came.
func (p *lifePager) first(id string) time.Time {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.seen["deletion"]["event-of-"+id]
}

// await waits until there is an alert of this kind about each of the deletions.
func (p *lifePager) await(b *testing.B, kind string, lives int) {
	for end := time.Now().Add(2 * time.Minute); ; time.Sleep(10 * time.Millisecond) {
		p.mu.Lock()
		n := len(p.seen[kind])
		p.mu.Unlock()
		if n == lives {
			return
		}
		if time.Now().After(end) {
			b.Fatalf("%d alerts of kind %q, not %d", n, kind, lives)
		}
	}
}
