package daemon

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"flowkeeper/internal/store"
)

// droppedNotice says in the log that alerts were dropped before every sink had
// them: once, and again after a day at most. It is owned by the loop that calls it.
type droppedNotice struct {
	said   int64 // of them
	saidAt time.Time
}

// due reports how many there are to be said of now; 0: none.
func (n *droppedNotice) due(undelivered int64, now time.Time) int64 {
	fresh := undelivered - n.said
	if fresh <= 0 || !n.saidAt.IsZero() && now.Sub(n.saidAt) < 24*time.Hour {
		return 0
	}
	n.said, n.saidAt = undelivered, now
	return fresh
}

// noticeDropped logs it.
func (d *Daemon) noticeDropped(n *droppedNotice) {
	if fresh := n.due(d.store.Dropped().Undelivered, time.Now()); fresh > 0 {
		d.Log.Warn("alerts of attempts, tampering, or deletions of flow logs that nobody ever saw were dropped before every sink had them, to make room in the state file; those of known flow logs are never dropped. See who makes these calls, and which sink is down",
			"alerts", fresh)
	}
}

// droppedMetrics count since the start.
func droppedMetrics(s *store.Store) []prometheus.Collector {
	counter := func(name, help string, value func(store.Dropped) int64) prometheus.Collector {
		return prometheus.NewCounterFunc(prometheus.CounterOpts{Name: "flowkeeper_" + name, Help: help}, func() float64 { return float64(value(s.Dropped())) })
	}
	return []prometheus.Collector{
		counter("dropped_rows_total", "Rows of the state file about calls that anybody can repeat (attempts, tampering, unknown flow logs), dropped to keep its bound.",
			func(d store.Dropped) int64 { return d.Rows }),
		counter("dropped_alerts_total", "Alerts among them that a sink had not got yet.", func(d store.Dropped) int64 { return d.Undelivered }),
	}
}
