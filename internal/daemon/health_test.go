package daemon

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/robfig/cron/v3"
	"golang.org/x/sync/errgroup"

	"flowkeeper/alert"
	"flowkeeper/alert/sink"
	"flowkeeper/internal/store"
)

// withMonitor makes the daemon send heartbeats to a monitor, whose URL has a secret path. The monitor counts them in
// beats, and answers with status.
func (h *house) withMonitor() (status, beats *atomic.Int64) {
	status, beats = &atomic.Int64{}, &atomic.Int64{}
	status.Store(http.StatusOK)
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodGet || r.URL.Path != "/ping/s3cret" {
			h.t.Errorf("%s %s", r.Method, r.URL)
		}
		beats.Add(1)
		w.WriteHeader(int(status.Load()))
	}))
	h.t.Cleanup(srv.Close)
	h.daemon.Config.Heartbeat.URL, h.daemon.Config.Heartbeat.Every = srv.URL+"/ping/s3cret", 20*time.Millisecond
	return status, beats
}

func TestHeartbeatOnlyWhileAllIsWell(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	status, beats := h.withMonitor()
	h.refreshed()
	beating := func() bool {
		n := beats.Load()
		h.await("another beat", func() bool { return beats.Load() > n })
		return true
	}
	beating()

	h.daemon.progress.Loop("stuck", -time.Second)
	h.await("the log to say so", func() bool { return strings.Contains(h.log.String(), "the heartbeat stops") })
	silent, refreshed := beats.Load(), h.lastRefresh()
	h.await("another refresh, which is many beats later", func() bool { return h.lastRefresh().After(refreshed) })
	if n := beats.Load(); n != silent {
		t.Errorf("%d beats while a loop stood still", n-silent)
	}
	h.daemon.progress.Loop("stuck", time.Hour)
	beating()

	status.Store(http.StatusNotFound)
	h.await("the refusal in the log", func() bool { return strings.Contains(h.log.String(), "the heartbeat does not reach its monitor") })
	status.Store(http.StatusOK)
	h.await("the end of the refusal in the log", func() bool { return strings.Count(h.log.String(), "heartbeats are sent: all is well") >= 3 })
	if log := h.log.String(); strings.Contains(log, "s3cret") {
		t.Error("the URL is in the log (I11)")
	}
}

func (h *house) lastRefresh() time.Time {
	r := h.daemon.refreshes
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.state(home).refreshedAt
}

// TestHeartbeatNeedsTheQueue: the heartbeat stops while the state file can't be written, and while SQS refuses
// receives.
func TestHeartbeatNeedsTheQueue(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	h.broken = &brokenStore{}
	h.refreshed()
	h.await("all to be well", func() bool { return h.daemon.health().unwell() == nil })
	h.broken.setFull(true)
	h.daemon.storeHealth.failed(nil)
	if err := h.daemon.health().unwell(); err == nil || !strings.Contains(err.Error(), "state file") {
		t.Errorf("after a failed commit: %v", err)
	}
	h.broken.setFull(false)
	h.await("a commit that succeeds", func() bool { return h.daemon.health().unwell() == nil })
	h.world.Fail("ReceiveMessage", 1000, "AccessDenied", http.StatusForbidden)
	h.await("the failure of the queue to be noticed", func() bool {
		err := h.daemon.health().unwell()
		return err != nil && strings.Contains(err.Error(), "queue")
	})
}

func TestAFreshRefresh(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	h.refreshed()
	r, s := h.daemon.refreshes, home
	h.halt()
	for _, c := range []struct {
		schedule  string
		ago, took time.Duration
		fresh     bool
	}{
		{"@every 5m", 10*time.Minute + 30*time.Second, time.Second, true},
		{"@every 5m", 11*time.Minute + 30*time.Second, time.Second, false},
		{"@every 5m", 20 * time.Minute, 10 * time.Minute, true}, // takes longer than the interval of the schedule
		{"@every 5m", 22 * time.Minute, 10 * time.Minute, false},
		{"0 3 * * *", 23 * time.Hour, time.Minute, true},
		{"0 3 * * *", 49 * time.Hour, time.Minute, false},
	} {
		t.Run(fmt.Sprintf("%s, %s ago, took %s", c.schedule, c.ago, c.took), func(t *testing.T) {
			var err error
			if h.daemon.refreshing, err = cron.ParseStandard(c.schedule); err != nil {
				t.Fatal(err)
			}
			r.state(s).refreshedAt, r.state(s).took = time.Now().Add(-c.ago), c.took
			if err := r.overview().fresh(); (err == nil) != c.fresh {
				t.Error(err)
			}
		})
	}
	r.state(s).refreshedAt = time.Time{}
	if err := r.overview().fresh(); err == nil {
		t.Error("the refreshes count as fresh, and there was none")
	}
}

// refusingSink refuses every alert until works is set.
type refusingSink struct{ works atomic.Bool }

func (s *refusingSink) Send(context.Context, alert.Alert) error {
	if s.works.Load() {
		return nil
	}
	return errors.New("down")
}

// TestTheHeartbeatStopsWhereNoSinkTakesAnUrgentAlert: if all sinks but the log refuse an urgent alert for 15 minutes,
// the heartbeat stops, so that its monitor alerts people. It goes on once a sink has taken the alert. A daemon that has
// only the log sends heartbeats all the time.
func TestTheHeartbeatStopsWhereNoSinkTakesAnUrgentAlert(t *testing.T) {
	t.Parallel()
	for _, remote := range []bool{true, false} {
		synctest.Test(t, func(t *testing.T) {
			h := newHouse(t)
			h.daemon.Config.Inventory.Schedule = "@every 5m"
			pager := &refusingSink{}
			h.daemon.Sinks = map[string]sink.Sink{"pager": pager}
			if !remote {
				h.daemon.Sinks = nil
			}
			ctx, cancel := context.WithCancel(t.Context())
			d := h.connected(ctx)
			g, ctx := errgroup.WithContext(ctx)
			d.startScopes(ctx, g)
			for _, s := range d.senders {
				g.Go(func() error { return s.Run(ctx) })
			}
			d.queue.Received(ctx)
			wait := func(d time.Duration) { time.Sleep(d); synctest.Wait() }
			wait(time.Minute)
			well := func(want bool) {
				t.Helper()
				if err := d.health().unwell(); (err == nil) != want {
					t.Errorf("remote sink %v: unwell is %v, want well %v", remote, err, want)
				}
			}
			for _, level := range []alert.Level{alert.Medium, alert.High} {
				a := alert.Alert{ID: string(level), Kind: alert.Tamper, Level: level, Time: alert.Time{Time: time.Now()}}
				if err := d.store.Update(ctx, func(tx *store.Tx) error { return tx.AddAlert(a) }); err != nil {
					t.Fatal(err)
				}
				alertSenders{d}.Wake()
				wait(14 * time.Minute)
				well(true)
				wait(2 * time.Minute)
				well(level == alert.Medium || !remote)
			}
			pager.works.Store(true)
			if _, err := d.store.Retry(ctx, "high"); err != nil {
				t.Fatal(err)
			}
			for _, s := range d.senders {
				s.Hurry()
			}
			wait(time.Minute)
			well(true)
			cancel()
			if err := g.Wait(); err != nil {
				t.Error(err)
			}
		})
	}
}
