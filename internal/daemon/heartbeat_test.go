package daemon

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/robfig/cron/v3"
)

// monitor counts who asks for its secret path.
func monitor(t *testing.T, status *atomic.Int64) (url string, beats *atomic.Int64) {
	beats = &atomic.Int64{}
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodGet || r.URL.Path != "/ping/s3cret" {
			t.Errorf("%s %s", r.Method, r.URL)
		}
		beats.Add(1)
		w.WriteHeader(int(status.Load()))
	}))
	t.Cleanup(srv.Close)
	return srv.URL + "/ping/s3cret", beats
}

func TestHeartbeatOnlyWhileAllIsWell(t *testing.T) {
	t.Parallel()
	var status atomic.Int64
	status.Store(http.StatusOK)
	h := newHouse(t)
	var beats *atomic.Int64
	h.daemon.Config.Heartbeat.URL, beats = monitor(t, &status)
	h.daemon.Config.Heartbeat.Every = 20 * time.Millisecond
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
	h.await("its end in the log", func() bool { return strings.Count(h.log.String(), "hears that all is well") >= 3 })
	if log := h.log.String(); strings.Contains(log, "s3cret") {
		t.Error("the URL is in the log (I11)")
	}
}

func (h *house) lastRefresh() time.Time {
	r := h.daemon.refreshes
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.state(home).last.ended
}

// TestHeartbeatNeedsTheQueue: each thing that a person should know of ends it.
func TestHeartbeatNeedsTheQueue(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	h.broken = &brokenStore{}
	h.refreshed()
	h.await("all to be well", func() bool { return h.daemon.unwell() == nil })
	h.broken.full(true)
	h.daemon.storeHealth.failed(nil)
	if err := h.daemon.unwell(); err == nil || !strings.Contains(err.Error(), "state file") {
		t.Errorf("after a failed commit: %v", err)
	}
	h.broken.full(false)
	h.await("commits to be tried", func() bool { return h.daemon.unwell() == nil })
	h.world.Fail("ReceiveMessage", 1000, "AccessDenied", http.StatusForbidden)
	h.await("the queue to be missed", func() bool {
		err := h.daemon.unwell()
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
		{"@every 5m", 20 * time.Minute, 10 * time.Minute, true}, // takes longer than the schedule is
		{"@every 5m", 22 * time.Minute, 10 * time.Minute, false},
		{"0 3 * * *", 23 * time.Hour, time.Minute, true},
		{"0 3 * * *", 49 * time.Hour, time.Minute, false},
	} {
		var err error
		if h.daemon.refreshing, err = cron.ParseStandard(c.schedule); err != nil {
			t.Fatal(err)
		}
		r.state(s).last = success{time.Now().Add(-c.ago), c.took}
		if err := r.fresh(); (err == nil) != c.fresh {
			t.Errorf("%s, %s ago, which took %s: %v", c.schedule, c.ago, c.took, err)
		}
	}
	r.state(s).last = success{}
	if err := r.fresh(); err == nil {
		t.Error("fresh without any")
	}
}
