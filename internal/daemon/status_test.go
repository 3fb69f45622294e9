package daemon

import (
	"errors"
	"log/slog"
	"strings"
	"testing"
	"time"

	"flowkeeper/internal/store"
	"flowkeeper/inventory"
)

func TestStatusLine(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	refreshed := map[inventory.Scope]time.Time{
		{Account: "1", Region: "a"}: now.Add(-40 * time.Second), {Account: "1", Region: "b"}: now.Add(-10 * time.Second),
	}
	for _, c := range []struct {
		counts store.Counts
		first  string
		want   string
	}{
		{store.Counts{}, "not ready: AWS has not been reached yet", "not ready: AWS has not been reached yet; 0 flow logs protected in 0 scopes"},
		{store.Counts{Restorable: map[string]int{"yes": 7}, RefreshedAt: refreshed, Incidents: map[string]int{"open": 1, "closed": 9}}, "",
			"7 flow logs protected in 2 scopes, all restorable, last refresh 40s ago, 1 incident open"},
		{store.Counts{Restorable: map[string]int{"yes": 5, "no": 2, "unknown": 1}, RefreshedAt: refreshed, Incidents: map[string]int{"blocked": 2}, Pending: map[string]int{"pager": 2, "chat": 1}}, "",
			"8 flow logs protected in 2 scopes, 2 NOT restorable, last refresh 40s ago, 2 BLOCKED, 3 alerts on the way"},
		{store.Counts{Restorable: map[string]int{"unknown": 1}, RefreshedAt: map[inventory.Scope]time.Time{{Account: "1"}: now}}, "",
			"1 flow log protected in 1 scope, not rehearsed yet, last refresh 0s ago"},
		{store.Counts{Restorable: map[string]int{"yes": 2, "unknown": 1}}, "", "3 flow logs protected in 0 scopes, 1 not rehearsed yet"},
		{store.Counts{Restorable: map[string]int{"yes": 7}, RefreshedAt: refreshed, Protected: map[inventory.Scope]int{{Account: "1", Region: "a"}: 3, {Account: "1", Region: "b"}: 1, {Account: "1", Region: "c"}: 2, {Account: "2", Region: "a"}: 1}}, "",
			"4 flow logs protected in 2 scopes, 3 NOT protected (no scope of the configuration), all restorable, last refresh 40s ago"},
		{store.Counts{Restorable: map[string]int{"yes": 3}, Released: store.Released{FlowLogs: 2, Until: now.Add(2160 * time.Hour)}}, "",
			"3 flow logs protected in 0 scopes, all restorable, 2 RELEASED until 2026-05-30 12:00 UTC"},
		{store.Counts{Released: store.Released{FlowLogs: 5, Until: now.Add(time.Hour)}}, "", "0 flow logs protected in 0 scopes, 5 RELEASED until 2026-03-01 13:00 UTC"},
		{store.Counts{Restorable: map[string]int{"yes": 1}, Pending: map[string]int{"pager": 6, "chat": 2, "mail": 1}, Refused: map[string]int{"pager": 4, "mail": 1}}, "",
			"1 flow log protected in 0 scopes, all restorable, 7 alerts NOT delivered (mail, pager), 2 alerts on the way"},
	} {
		t.Run(c.want, func(t *testing.T) {
			t.Parallel()
			if got := statusLine(c.counts, share{len(c.counts.RefreshedAt), len(c.counts.RefreshedAt)}, c.first, now); got != c.want {
				t.Errorf("%q, want %q", got, c.want)
			}
		})
	}
	// The line counts only scopes that were refreshed, and says how many there are.
	c := store.Counts{Restorable: map[string]int{"yes": 7}}
	if got, want := statusLine(c, share{33, 34}, "", now), "7 flow logs protected in 33 of 34 scopes, all restorable"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
}

// A release by a command is logged as a warning within two seconds, and each scrape of the metrics counts it.
func TestReleasesAreNoticed(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	h.daemon.Config.HTTP.Listen = "127.0.0.1:0"
	h.plant(region, "vpc-1")
	h.refreshed()
	until := time.Now().Add(time.Hour)
	h.release(until)
	h.await("a warning", func() bool {
		log := h.log.String()
		return strings.Contains(log, `"level":"WARN","msg":"flow logs are released`) && strings.Contains(log, `"flow_logs":1,"until":"`+until.UTC().Format(time.RFC3339))
	})
	if n, live := h.value("flowkeeper_flow_logs_released"), h.value(`flowkeeper_restorable{answer="unknown"}`); n != 1 || live != 0 {
		t.Errorf("%v released, %v not rehearsed", n, live)
	}
}

// TestASystemdThatDoesNotListenIsOneLine: the status is sent to systemd every 15 seconds. If that fails, one line of
// log says so, until it works again.
func TestASystemdThatDoesNotListenIsOneLine(t *testing.T) {
	t.Parallel()
	log := &strings.Builder{}
	d := &Daemon{Log: slog.New(slog.NewTextHandler(log, nil))}
	refused := errors.New("connection refused")
	for _, err := range []error{refused, refused, nil, refused, refused} {
		d.report(err)
	}
	if n := strings.Count(log.String(), "\n"); n != 2 {
		t.Errorf("%d lines of log, want 2: %s", n, log)
	}
}
