package daemon

import (
	"testing"
	"time"
)

// TestDroppedAlertsAreSaidOnce, and again when there are more, a day later.
func TestDroppedAlertsAreSaidOnce(t *testing.T) {
	t.Parallel()
	at := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	var n droppedNotice
	for _, c := range []struct {
		after time.Duration
		all   int64
		want  int64
	}{{0, 0, 0}, {0, 5, 5}, {time.Second, 9, 0}, {23 * time.Hour, 90, 0}, {24 * time.Hour, 100, 95}, {72 * time.Hour, 100, 0}} {
		if got := n.due(c.all, at.Add(c.after)); got != c.want {
			t.Errorf("%d dropped after %s: %d said, want %d", c.all, c.after, got, c.want)
		}
	}
}

// TestDroppedIsMeasured from the start.
func TestDroppedIsMeasured(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	h.daemon.Config.HTTP.Listen = "127.0.0.1:0"
	h.refreshed()
	for _, name := range []string{"flowkeeper_dropped_rows_total", "flowkeeper_dropped_alerts_total"} {
		if v := h.value(name); v != 0 {
			t.Errorf("%s is %v", name, v)
		}
	}
}
