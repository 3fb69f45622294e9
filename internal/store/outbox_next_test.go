package store

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"flowkeeper/alert"
	"flowkeeper/alert/sink"
)

var (
	knownLogs   = []alert.FlowLog{{FlowLogID: "fl-1", ResourceID: "vpc-1"}}
	unknownLogs = []alert.FlowLog{{FlowLogID: "fl-9"}}
)

// addAll adds alerts. An alert without a dedup key gets its ID as the key.
func addAll(t *testing.T, s *Store, at time.Time, all ...alert.Alert) {
	t.Helper()
	s.put(t, func(tx *Tx) error {
		for _, a := range all {
			a.Time = alert.Time{Time: at}
			if a.DedupKey == "" {
				a.DedupKey = a.ID
			}
			if err := tx.AddAlert(a); err != nil {
				return err
			}
		}
		return nil
	})
}

// drain sends a sink all alerts that are due, and returns their IDs in the order in which the sink gets them.
func drain(t *testing.T, s *Store, name string, at time.Time) (ids []string) {
	t.Helper()
	var chooser sink.Chooser
	for {
		id := nextBy(t, s, name, chooser.Next(at))
		if strings.HasPrefix(id, "none") {
			return ids
		}
		ids = append(ids, id)
		s.sent(t, name, id, at)
	}
}

// TestI7UrgentAlertsComeFirst: alerts are sent by level first, and then by age. Alerts that anybody can cause without
// any permission come after all high and critical alerts of lost flow logs: a flood of refused calls must not delay
// those.
func TestI7UrgentAlertsComeFirst(t *testing.T) {
	t.Parallel()
	s, now := withOutbox(t)
	addAll(t, s, *now,
		alert.Alert{ID: "test", Kind: alert.Test, Level: alert.Informational},
		alert.Alert{ID: "attempt medium", Kind: alert.Attempt, Level: alert.Medium},
		alert.Alert{ID: "tamper critical", Kind: alert.Tamper, Level: alert.Critical},
		alert.Alert{ID: "attempt high", Kind: alert.Attempt, Level: alert.High},
		alert.Alert{ID: "unknown critical", Kind: alert.Deletion, Level: alert.Critical, FlowLogs: unknownLogs},
		alert.Alert{ID: "restored", Kind: alert.Restored, Level: alert.Low, RouteLevel: alert.High, FlowLogs: knownLogs},
		alert.Alert{ID: "pipeline high", Kind: alert.Pipeline, Level: alert.High},
		alert.Alert{ID: "deletion allowed", Kind: alert.Deletion, Level: alert.Informational, FlowLogs: knownLogs},
		alert.Alert{ID: "deletion high", Kind: alert.Deletion, Level: alert.High, FlowLogs: knownLogs},
		alert.Alert{ID: "closed", Kind: alert.Closed, Level: alert.Informational, RouteLevel: alert.Critical, FlowLogs: knownLogs},
		alert.Alert{ID: "not known which", Kind: alert.Deletion, Level: alert.Critical},
		alert.Alert{ID: "blocked", Kind: alert.Blocked, Level: alert.Critical, FlowLogs: knownLogs},
	)
	want := []string{"closed", "not known which", "blocked", "restored", "pipeline high", "deletion high",
		"tamper critical", "unknown critical", "attempt high", "attempt medium", "test", "deletion allowed"}
	if got := drain(t, s, "pager", *now); !slices.Equal(got, want) {
		t.Errorf("%q\nwant %q", got, want)
	}
}

// TestI7OrderWithinOneDedupKey: alerts with one dedup key are sent in the order in which they were added, whatever
// their levels. A later, more urgent alert makes the earlier ones as urgent.
func TestI7OrderWithinOneDedupKey(t *testing.T) {
	t.Parallel()
	s, now := withOutbox(t)
	addAll(t, s, *now,
		alert.Alert{ID: "other", Kind: alert.Deletion, Level: alert.High, FlowLogs: knownLogs},
		alert.Alert{ID: "deletion", DedupKey: "e", Kind: alert.Deletion, Level: alert.High, FlowLogs: knownLogs},
		alert.Alert{ID: "blocked", DedupKey: "e", Kind: alert.Blocked, Level: alert.Critical, FlowLogs: knownLogs},
		alert.Alert{ID: "closed", DedupKey: "e", Kind: alert.Closed, Level: alert.Informational, RouteLevel: alert.Critical, FlowLogs: knownLogs},
	)
	if got, want := drain(t, s, "pager", *now), []string{"deletion", "blocked", "closed", "other"}; !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
}

// TestI7NothingStarves: one of eight alerts is chosen by age alone, among those that have waited for five minutes. So a
// stream of more urgent alerts does not hold back another one for ever.
func TestI7NothingStarves(t *testing.T) {
	t.Parallel()
	s, now := withOutbox(t)
	addAll(t, s, *now, alert.Alert{ID: "attempt", Kind: alert.Attempt, Level: alert.Medium})
	*now = now.Add(4 * time.Minute)
	for n := range 30 {
		addAll(t, s, *now, alert.Alert{ID: fmt.Sprintf("deletion-%02d", n), Kind: alert.Deletion, Level: alert.High, FlowLogs: knownLogs})
	}
	var chooser sink.Chooser
	for range 10 {
		id := nextBy(t, s, "pager", chooser.Next(*now))
		if id == "attempt" {
			t.Fatal("the attempt is sent before it has waited for five minutes")
		}
		s.sent(t, "pager", id, *now)
	}
	*now = now.Add(time.Minute)
	if got := drain(t, s, "pager", *now); slices.Index(got, "attempt") > 8 {
		t.Errorf("sent %q, want the attempt among the first nine", got)
	}
}

// TestI7AFloodDelaysNoDeletion: thousands of alerts of attempts wait for a sink. At most one of them is sent before the
// alert of a deletion.
func TestI7AFloodDelaysNoDeletion(t *testing.T) {
	t.Parallel()
	s, now := withOutbox(t)
	flood := make([]alert.Alert, 2000)
	for n := range flood {
		flood[n] = alert.Alert{ID: fmt.Sprintf("attempt-%04d", n), Kind: alert.Attempt, Level: alert.Critical}
	}
	addAll(t, s, *now, flood...)
	*now = now.Add(20 * time.Minute)
	var chooser sink.Chooser
	for n := range 16 {
		key := fmt.Sprintf("deletion-%02d", n)
		addAll(t, s, *now, alert.Alert{ID: key, Kind: alert.Deletion, Level: alert.High, FlowLogs: knownLogs})
		var before []string
		for {
			id := nextBy(t, s, "pager", chooser.Next(*now))
			s.sent(t, "pager", id, *now)
			if id == key {
				break
			}
			before = append(before, id)
		}
		if len(before) > 1 {
			t.Fatalf("%q were sent before the deletion, want one at most", before)
		}
	}
}

// TestUpgradeOrdersWhatWaits: the upgrade orders the alerts that an older version left in the outbox by urgency, too:
// those of attempts come last.
func TestUpgradeOrdersWhatWaits(t *testing.T) {
	t.Parallel()
	path := older(t, 6)
	db := raw(t, path)
	for n, a := range []alert.Alert{{ID: "attempt", Kind: alert.Attempt, Level: alert.High}, {ID: "deletion", Kind: alert.Deletion, Level: alert.High, FlowLogs: knownLogs}} {
		exec(t, db, `INSERT INTO alerts (num, id, at, body) VALUES (?, ?, 0, ?)`, n+1, a.ID, body(a))
		exec(t, db, `INSERT INTO deliveries (alert, sink, next_at) VALUES (?, 'pager', 0)`, n+1)
	}
	s := open(t, path)
	if got, want := drain(t, s, "pager", noon), []string{"deletion", "attempt"}; !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
}
