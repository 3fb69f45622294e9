package bench_test

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

const (
	lives     = 600
	perSecond = 20              // deletions
	settle    = 5 * time.Second // the life of a deletion ends that long after the restore
)

// BenchmarkLife: deletions at a steady rate, each with its whole life: received,
// alerted, restored, verified, closed. The real binary runs in a process of its own;
// AWS, the pager and whoever deletes are here, so that its CPU time is its own.
func BenchmarkLife(b *testing.B) {
	binary, err := filepath.Abs("../../bin/flowkeeper")
	must(b, err)
	bare, bareAlert := newBed(b, 0).atRate(b, func(s *bed, pager *lifePager) (stop func()) {
		ctx, cancel := context.WithCancel(within(b, 2*time.Minute))
		s.pager = pager.URL
		done := make(chan error, 1)
		go func() { done <- s.bare(ctx, make(chan struct{})) }()
		return func() { cancel(); must(b, <-done) }
	})
	var d *lifeDaemon
	var cpu time.Duration
	create, told := newBed(b, 0).atRate(b, func(s *bed, pager *lifePager) (stop func()) {
		d = s.startLife(b, binary, pager.URL)
		before := d.cpu(b)
		return func() {
			pager.await(b, "closed")
			cpu = d.cpu(b) - before
			d.stop(b)
		}
	})
	b.Logf("\n%d deletions, %d a second: %.1f ms of CPU each"+
		"\nsend to CreateFlowLogs answered: flowkeeper %s\n                                 bare loop  %s   ratio %.2f (median)"+
		"\nsend to alert received:          flowkeeper %s\n                                 bare loop  %s   ratio %.2f (median)",
		lives, perSecond, ms(cpu)/lives, create, bare, ratio(create.median, bare.median), told, bareAlert, ratio(told.median, bareAlert.median))
	b.ReportMetric(ms(cpu)/lives, "ms-CPU/deletion")
	b.ReportMetric(ms(create.median), "ms-create")
	b.ReportMetric(ms(told.median), "ms-alert")
	b.ReportMetric(0, "ns/op")
}

// atRate starts a program, deletes at a steady rate, waits until all is restored and
// alerted, stops it, and says how long that took after each deletion was sent.
func (s *bed) atRate(b *testing.B, start func(*bed, *lifePager) (stop func())) (create, told spread) {
	ids := s.plant(lives)
	pager := newLifePager(b)
	stop := start(s, pager)
	sent := map[string]time.Time{} // by resource
	began := time.Now()
	for n, id := range ids {
		time.Sleep(time.Until(began.Add(time.Duration(n) * time.Second / perSecond)))
		s.world.Remove(account, region, id)
		sent[vpc(n)] = time.Now()
		must(b, s.world.Send(s.queue, deletion(id)))
	}
	pager.await(b, "deletion")
	s.nthCreate(within(b, time.Minute), lives-1)
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

// lifePager receives alerts, and knows when each first came.
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
			Detail  struct{ EventID string } // the bare loop posts the message
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

// await waits until there is an alert of this kind about each deletion.
func (p *lifePager) await(b *testing.B, kind string) {
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

// lifeDaemon is the binary as users run it.
type lifeDaemon struct{ *exec.Cmd }

// startLife returns when its first refresh is done.
func (s *bed) startLife(b *testing.B, binary, pager string) *lifeDaemon {
	dir := disk(b)
	config := filepath.Join(dir, "flowkeeper.yaml")
	must(b, os.WriteFile(config, fmt.Appendf(nil, "queue: {url: %q}\naws: {region: %s, endpoint_url: %q}\nstate: {path: %q}\nhttp: {listen: \"\"}\nlog: {format: json}\n"+
		"inventory: {schedule: \"@every 1h\", settle: %s}\nremediate: {verify_after: %s}\nalerts: [{type: webhook, name: pager, url: %q, min_level: high}]\n",
		s.queueURL, region, s.url, filepath.Join(dir, "state.db"), settle, settle, pager+"/deletions"), 0o600))
	keys, err := s.user().Retrieve(b.Context())
	must(b, err)
	c := exec.CommandContext(within(b, 5*time.Minute), binary, "run", "--config", config)
	c.Env = append(os.Environ(), "AWS_ACCESS_KEY_ID="+keys.AccessKeyID, "AWS_SECRET_ACCESS_KEY="+keys.SecretAccessKey, "AWS_SESSION_TOKEN=")
	log, err := c.StderrPipe()
	must(b, err)
	must(b, c.Start())
	refreshed := make(chan struct{})
	go func() {
		for lines := bufio.NewScanner(log); lines.Scan(); {
			if strings.Contains(lines.Text(), `"msg":"refreshed"`) {
				close(refreshed)
				break
			}
		}
		_, _ = io.Copy(io.Discard, log)
	}()
	select {
	case <-refreshed:
	case <-time.After(time.Minute):
		b.Fatal("no refresh within a minute")
	}
	return &lifeDaemon{c}
}

func (d *lifeDaemon) stop(b *testing.B) {
	must(b, d.Process.Signal(syscall.SIGTERM))
	must(b, d.Wait())
}

// cpu is the CPU time of the process so far: proc_pid_stat(5), utime and stime in
// hundredths of a second.
func (d *lifeDaemon) cpu(b *testing.B) time.Duration {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", d.Process.Pid))
	must(b, err)
	_, rest, _ := strings.Cut(string(stat), ") ")
	fields := strings.Fields(rest)
	var ticks int
	for _, f := range fields[11:13] {
		n, err := strconv.Atoi(f)
		must(b, err)
		ticks += n
	}
	return time.Duration(ticks) * 10 * time.Millisecond
}
