package daemon

import (
	"errors"
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
		err    error
		want   string
	}{
		{store.Counts{}, errors.New("AWS has not been reached yet"), "not ready: AWS has not been reached yet; 0 flow logs protected in 0 scopes"},
		{store.Counts{Restorable: map[string]int{"yes": 7}, RefreshedAt: refreshed, Incidents: map[string]int{"open": 1, "closed": 9}}, nil,
			"7 flow logs protected in 2 scopes, all restorable, last refresh 40s ago, 1 incident open"},
		{store.Counts{Restorable: map[string]int{"yes": 5, "no": 2, "unknown": 1}, RefreshedAt: refreshed, Incidents: map[string]int{"blocked": 2}, Pending: map[string]int{"pager": 2, "chat": 1}}, nil,
			"8 flow logs protected in 2 scopes, 2 NOT restorable, last refresh 40s ago, 2 BLOCKED, 3 alerts on the way"},
		{store.Counts{Restorable: map[string]int{"unknown": 1}, RefreshedAt: map[inventory.Scope]time.Time{{Account: "1"}: now}}, nil,
			"1 flow log protected in 1 scope, not rehearsed yet, last refresh 0s ago"},
		{store.Counts{Restorable: map[string]int{"yes": 2, "unknown": 1}}, nil, "3 flow logs protected in 0 scopes, 1 not rehearsed yet"},
	} {
		if got := statusLine(c.counts, c.err, now); got != c.want {
			t.Errorf("%q, want %q", got, c.want)
		}
	}
}
