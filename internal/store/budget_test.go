package store

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"flowkeeper/alert"
	"flowkeeper/alert/alerttest"
	"flowkeeper/remediate/incident"
	"flowkeeper/remediate/repeat"
)

// withFree returns a store on a disk with this many free bytes.
func withFree(t *testing.T, free int64) *Store {
	t.Helper()
	s := fresh(t)
	s.free = func() (int64, error) { return free, nil }
	return s
}

// minor returns the n-th alert of a flood: droppable, and about 3 KB long.
func minor(n int) alert.Alert {
	return alert.Alert{ID: fmt.Sprint("minor-", n), DedupKey: fmt.Sprint(n), Time: alert.Time{Time: noon.Add(time.Duration(n) * time.Second)}, Kind: alert.Attempt, Minor: true,
		Text: strings.Repeat("x", 3000)}
}

func (s *Store) count(t *testing.T, query string, args ...any) (n int64) {
	t.Helper()
	if err := s.r.QueryRow(query, args...).Scan(&n); err != nil {
		t.Fatal(err)
	}
	return n
}

// TestDroppableRowsKeepTheirBudget: if the droppable rows exceed their budget, the oldest are dropped first, with their
// deliveries. No other row is dropped.
func TestDroppableRowsKeepTheirBudget(t *testing.T) {
	t.Parallel()
	const budget = 1 << 20
	s := withFree(t, shareOfRoom*budget)
	s.free = func() (int64, error) { return shareOfRoom*budget - s.held.Load(), nil }
	s.put(t, func(tx *Tx) error {
		real := minor(-1000)
		real.ID, real.Kind, real.Minor = "real", alert.Deletion, false
		return errors.Join(tx.AddAlert(real),
			tx.PutIncident(incident.Incident{Scope: scope, FlowLogID: "fl-known", State: incident.Open, Known: true, EventID: "mixed", DetectedAt: noon.Add(-time.Hour)}),
			tx.PutEvent(incident.Event{Scope: scope, ID: "mixed", Unknown: true, DetectedAt: noon.Add(-time.Hour)}),
			tx.PutEvent(incident.Event{Scope: scope, ID: "rings", Unknown: true, DetectedAt: noon.Add(-time.Hour), DeletionAlertedAt: noon, OverdueAt: noon}),
			tx.PutEvent(incident.Event{Scope: scope, ID: "over", Unknown: true, DetectedAt: noon.Add(-time.Hour), DeletionAlertedAt: noon, ClosedAlertedAt: noon}))
	})
	for n := range 800 {
		s.put(t, func(tx *Tx) error {
			at, id := noon.Add(time.Duration(n)*time.Second), fmt.Sprint("fl-", n)
			return errors.Join(tx.AddAlert(minor(n)),
				tx.PutIncident(incident.Incident{Scope: scope, FlowLogID: id, EventID: fmt.Sprint("event-", n), State: incident.Open, DetectedAt: at}),
				tx.AddHistory(scope, id, incident.Entry{At: at}, false),
				tx.PutEvent(incident.Event{Scope: scope, ID: fmt.Sprint("event-", n), Unknown: true, DetectedAt: at}),
				tx.AddActorCall(repeat.ActorCall{Principal: "nobody", At: at, EventID: fmt.Sprint(n), EventName: "DeleteFlowLogs"}))
		})
	}
	if sum := s.count(t, `SELECT (SELECT sum(cost) FROM alerts) + (SELECT sum(cost) FROM incidents) + (SELECT sum(cost) FROM events) + (SELECT sum(cost) FROM deeds)`); sum > budget || sum < budget/2 {
		t.Errorf("droppable rows take %d bytes, want at most the budget of %d and at least half of it", sum, budget)
	}
	for name, query := range map[string]string{
		"the newest alert stays":             `SELECT count(*) = 1 FROM alerts WHERE id = 'minor-799'`,
		"the oldest alert is dropped":        `SELECT count(*) = 0 FROM alerts WHERE id = 'minor-0'`,
		"the alert of a deletion stays":      `SELECT count(*) = 1 FROM alerts WHERE id = 'real'`,
		"its deliveries stay":                `SELECT count(*) = 2 FROM deliveries JOIN alerts ON num = alert WHERE id = 'real'`,
		"no delivery lacks its alert":        `SELECT count(*) = 0 FROM deliveries WHERE alert NOT IN (SELECT num FROM alerts)`,
		"a known flow log's incident stays":  `SELECT count(*) = 1 FROM incidents WHERE known = 1`,
		"its event is not droppable":         `SELECT count(*) = 1 FROM events WHERE id = 'mixed' AND cost = 0`,
		"an event with an open pager stays":  `SELECT count(*) = 1 FROM events WHERE id = 'rings'`,
		"an event that has ended is dropped": `SELECT count(*) = 0 FROM events WHERE id = 'over'`,
		"the newest unknown incident stays":  `SELECT count(*) = 1 FROM incidents WHERE id = 'fl-799'`,
		"the oldest unknown one is dropped":  `SELECT count(*) = 0 FROM incidents WHERE id = 'fl-0'`,
		"no history lacks its incident":      `SELECT count(*) = 0 FROM history WHERE id NOT IN (SELECT id FROM incidents)`,
		"the newest event stays":             `SELECT count(*) = 1 FROM events WHERE id = 'event-799'`,
		"the oldest event is dropped":        `SELECT count(*) = 0 FROM events WHERE id = 'event-0'`,
		"the newest call stays":              `SELECT count(*) = 1 FROM deeds WHERE event_id = '799'`,
		"the oldest call is dropped":         `SELECT count(*) = 0 FROM deeds WHERE event_id = '0'`,
	} {
		if s.count(t, query) != 1 {
			t.Errorf("not true: %s: %s", name, query)
		}
	}
	left := s.count(t, `SELECT count(*) FROM alerts`)
	if d := s.Dropped(); d.Undelivered != 801-left || d.Rows < 4*d.Undelivered-8 {
		t.Errorf("%+v dropped, %d alerts left", d, left)
	}
}

// TestTheBudgetCountsWhatIsTrue: the cost of droppable rows is at least the bytes that they take in the file, and at
// most three times as many. If it were less, a flood could fill the disk; if it were far more, too many rows would be
// dropped.
func TestTheBudgetCountsWhatIsTrue(t *testing.T) {
	t.Parallel()
	const many = 3000
	actor := &alert.Actor{Type: "IAMUser", ARN: "arn:aws:iam::111122223333:user/nobody", AccessKeyID: "AKIAEXAMPLE", SourceIP: "192.0.2.1", UserAgent: strings.Repeat("agent ", 20)}
	for name, add := range map[string]func(tx *Tx, n int) error{
		"alerts": func(tx *Tx, n int) error { return tx.AddAlert(minor(n)) },
		"short alerts": func(tx *Tx, n int) error {
			a := minor(n)
			a.Text = ""
			return tx.AddAlert(a)
		},
		"incidents": func(tx *Tx, n int) error {
			id := fmt.Sprintf("fl-%017x", n)
			err := tx.PutIncident(incident.Incident{Scope: scope, FlowLogID: id, RootID: id, EventID: fmt.Sprint("event-", n), State: incident.Open, DetectedAt: noon, Actor: actor})
			for range maxUnknownHistory {
				err = errors.Join(err, tx.AddHistory(scope, id, incident.Entry{At: noon, Actor: actor, EventID: fmt.Sprint("event-", n), Text: "named by a record of DeleteFlowLogs", Claim: strings.Repeat("c", 31)}, false))
			}
			return err
		},
		"events": func(tx *Tx, n int) error {
			return tx.PutEvent(incident.Event{Scope: scope, ID: fmt.Sprint("event-", n), Unknown: true, DetectedAt: noon, Actor: actor})
		},
		"calls": func(tx *Tx, n int) error {
			return tx.AddActorCall(repeat.ActorCall{Principal: actor.ARN, At: noon, EventID: fmt.Sprintf("6f0c2f5e-7a1b-4d7f-9b0e-%012d", n), EventName: "DeleteFlowLogs"})
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := withFree(t, 1<<40)
			s.put(t, func(tx *Tx) error {
				for n := range many {
					if err := add(tx, n); err != nil {
						return err
					}
				}
				return nil
			})
			held := s.held.Load()
			exec(t, s.w, `PRAGMA wal_checkpoint(TRUNCATE)`)
			size := s.count(t, `SELECT page_count * page_size FROM pragma_page_count, pragma_page_size`)
			if empty := int64(220 << 10); held < size-empty || held > 3*size {
				t.Errorf("rows that take %d bytes of the file cost %d", size, held)
			}
			if sum := s.count(t, `SELECT (SELECT coalesce(sum(cost), 0) FROM alerts) + (SELECT coalesce(sum(cost), 0) FROM incidents) + (SELECT coalesce(sum(cost), 0) FROM events) + (SELECT coalesce(sum(cost), 0) FROM deeds)`); sum != held {
				t.Errorf("the store counts %d bytes, the costs of the rows are %d", held, sum)
			}
		})
	}
}

// TestAFullDiskTakesDeletions: on a full disk, droppable rows make room for alerts of deletions, although the budget
// would allow the droppable rows to stay.
func TestAFullDiskTakesDeletions(t *testing.T) {
	t.Parallel()
	s := withFree(t, 1<<40)
	for n := range 300 {
		s.put(t, func(tx *Tx) error { return tx.AddAlert(minor(n)) })
	}
	exec(t, s.w, `PRAGMA wal_checkpoint(TRUNCATE)`)
	pages := s.count(t, `PRAGMA page_count`)
	exec(t, s.w, fmt.Sprintf(`PRAGMA max_page_count = %d`, pages))
	deletion := func(n int) func(tx *Tx) error {
		return func(tx *Tx) error {
			a := minor(n)
			a.ID, a.Kind, a.Minor, a.Text = fmt.Sprint("real-", n), alert.Deletion, false, strings.Repeat("x", 20000)
			return tx.AddAlert(a)
		}
	}
	for n := range 20 {
		s.put(t, deletion(1000+n))
	}
	if n := s.count(t, `SELECT count(*) FROM alerts WHERE id LIKE 'real-%'`); n != 20 {
		t.Errorf("%d alerts of deletions are stored, want 20", n)
	}
	if d := s.Dropped(); d.Rows == 0 || d.Undelivered != d.Rows {
		t.Errorf("%+v", d)
	}
	// Nothing is left to drop. A change that is too large fails alone, not the others in its group.
	if err := s.transact(t.Context(), func(x *Tx) error { _, err := x.drop(1<<40, 1<<20); return err }); err != nil {
		t.Fatal(err)
	}
	huge := func(tx *Tx) error {
		a := minor(5000)
		a.Minor, a.Text = false, strings.Repeat("x", 64<<20)
		return tx.AddAlert(a)
	}
	of := func(fn func(*Tx) error) *update {
		return &update{fn: func(t *Tx) error { return fn(t) }, done: make(chan struct{})}
	}
	group := []*update{of(huge), of(deletion(2000))}
	s.commit(context.Background(), group)
	if !Unwritable(group[0].err) || group[1].err != nil {
		t.Errorf("%v, %v", group[0].err, group[1].err)
	}
}

// TestAnOlderFileIsBroughtIntoItsBudget: rows that an older version wrote are droppable, too. Prune drops those beyond
// the budget, and counts them as dropped.
func TestAnOlderFileIsBroughtIntoItsBudget(t *testing.T) {
	t.Parallel()
	path := older(t, 6)
	db := raw(t, path)
	all, err := db.Begin()
	if err != nil {
		t.Fatal(err)
	}
	for n := range 4000 {
		a := minor(n)
		a.Minor = false
		if n%2 == 0 {
			a.Kind = alert.Deletion
		}
		exec(t, all, `INSERT INTO alerts (num, id, at, body) VALUES (?, ?, ?, ?)`, n+1, a.ID, a.Time.UnixMilli(), body(a))
	}
	if err := errors.Join(all.Commit(), db.Close()); err != nil {
		t.Fatal(err)
	}
	s := open(t, path)
	s.free = func() (int64, error) { return 0, nil }
	if err := s.Prune(t.Context(), noon.Add(-time.Hour)); err != nil {
		t.Fatal(err)
	}
	attempts, deletions := s.count(t, `SELECT count(*) FROM alerts WHERE cost > 0`), s.count(t, `SELECT count(*) FROM alerts WHERE cost = 0`)
	if deletions != 2000 || attempts > 1000 {
		t.Errorf("%d deletions and %d attempts are left, want 2000 and at most 1000", deletions, attempts)
	}
	if d := s.Dropped(); d.Rows != 2000-attempts {
		t.Errorf("%d rows count as dropped, of %d", d.Rows, 2000-attempts)
	}
}

// TestI12WhatIsThereIsNotCountedAgain: the store counts the incidents of unknown flow logs when a new one is added, not
// when an existing one is written again. Counting ten thousand rows takes the writer milliseconds, and a flood writes
// each incident several times.
func TestI12WhatIsThereIsNotCountedAgain(t *testing.T) {
	t.Parallel()
	s := withFree(t, 1<<40)
	unknown := func(id string) incident.Incident {
		return incident.Incident{Scope: scope, FlowLogID: id, RootID: id, EventID: "e", State: incident.Open, DetectedAt: noon}
	}
	const tooMany = 7
	s.put(t, func(tx *Tx) error { return tx.PutIncident(unknown("fl-there")) })
	exec(t, s.w, `WITH RECURSIVE k (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM k WHERE n < ?)
		INSERT INTO incidents (account, region, id, root_id, resource_id, state, reason, known, event_id, detected_at, first_seen_at, body)
		SELECT account, region, 'fl-' || n, '', '', 'closed', 'unknown', 0, 'e', 0, 0, '{}' FROM incidents, k WHERE id = 'fl-there'`, maxUnknown+tooMany-1)
	for _, c := range []struct {
		id   string
		left int64
	}{{"fl-there", maxUnknown + tooMany}, {"fl-new", maxUnknown*9/10 + 1}} {
		s.put(t, func(tx *Tx) error { return tx.PutIncident(unknown(c.id)) })
		if n := s.count(t, `SELECT count(*) FROM incidents WHERE known = 0`); n != c.left {
			t.Errorf("after %s: %d unknown incidents, want %d", c.id, n, c.left)
		}
	}
}

// TestI12TheFileIsBoundedOnALargeDisk: droppable rows, which anybody can add without end, take less than 64 MB of the
// file and its write-ahead log, even if the disk has far more room.
func TestI12TheFileIsBoundedOnALargeDisk(t *testing.T) {
	t.Parallel()
	s := withFree(t, 1<<40)
	for n := 0; n < 1600; n += 10 {
		s.put(t, func(tx *Tx) (err error) {
			for m := range 10 {
				a := minor(n + m)
				a.Text = strings.Repeat("x", 60_000) // a hundred megabytes in all
				err = errors.Join(err, tx.AddAlert(a))
			}
			return err
		})
	}
	if err := s.Prune(t.Context(), noon.Add(-time.Hour)); err != nil {
		t.Fatal(err)
	}
	exec(t, s.w, `PRAGMA wal_checkpoint(TRUNCATE)`)
	inUse := s.count(t, `SELECT (page_count - freelist_count) * page_size FROM pragma_page_count, pragma_freelist_count, pragma_page_size`)
	size := s.count(t, `SELECT page_count * page_size FROM pragma_page_count, pragma_page_size`)
	if size+maxLog > 64<<20 || inUse < 40<<20 || s.Dropped().Rows == 0 {
		t.Errorf("%d KB are in use, of a file of %d KB; %d rows are dropped", inUse>>10, size>>10, s.Dropped().Rows)
	}
}

// TestAFullDiskHasRoomForDeletions: forged records that name known flow logs leave rows that are not droppable. If such
// rows fill the disk, the store drops old lines of history, and alerts that every sink has taken.
func TestAFullDiskHasRoomForDeletions(t *testing.T) {
	t.Parallel()
	now := noon
	s := openAs(t, filepath.Join(t.TempDir(), "state.db"), Options{Daemon: true, Now: func() time.Time { return now }, MaxBytes: 2 << 20,
		Routes: alerttest.To{"hook"}})
	long := strings.Repeat("x", 3000)
	for n := range 600 {
		id := fmt.Sprint("real-", n)
		s.put(t, func(tx *Tx) error {
			return errors.Join(tx.PutIncident(incident.Incident{Scope: scope, FlowLogID: "fl-known", State: incident.Open, Known: true, EventID: "mixed", DetectedAt: noon}),
				tx.AddHistory(scope, "fl-known", incident.Entry{At: now, Text: long, EventID: id}, true),
				tx.AddHistory(scope, fmt.Sprint("fl-", n%20), incident.Entry{At: now, Text: long, EventID: id}, true),
				tx.AddAlert(alert.Alert{ID: id, DedupKey: id, Time: alert.Time{Time: now}, Kind: alert.Deletion, Text: long}))
		})
		if n > 5 { // the first six alerts are not sent
			s.sent(t, "hook", id, now)
		}
		now = now.Add(10 * time.Second)
	}
	for name, query := range map[string]string{
		"all pending alerts stay":   `SELECT count(*) = 6 FROM deliveries JOIN alerts ON num = alert WHERE sent_at IS NULL`,
		"the last alert stays":      `SELECT count(*) = 1 FROM alerts WHERE id = 'real-599'`,
		"the last history stays":    `SELECT count(*) >= 10 AND max(event_id = 'real-599') FROM history WHERE id = 'fl-known'`,
		"the incident stays":        `SELECT count(*) = 1 FROM incidents`,
		"no delivery without alert": `SELECT count(*) = 0 FROM deliveries WHERE alert NOT IN (SELECT num FROM alerts)`,
	} {
		if s.count(t, query) != 1 {
			t.Errorf("not true: %s", name)
		}
	}
	if s.Dropped().Rows == 0 {
		t.Error("nothing was dropped")
	}
}

// TestAFullDiskOfBursts: if bursts fill the disk, the store drops the examples in them. The bursts and their counts
// stay.
func TestAFullDiskOfBursts(t *testing.T) {
	t.Parallel()
	s := openAs(t, filepath.Join(t.TempDir(), "state.db"), Options{Daemon: true, Now: func() time.Time { return noon }, MaxBytes: 2 << 20})
	for n := range 300 {
		b := repeat.Burst{Key: fmt.Sprint(n), Class: "attempt", Scope: scope, DueAt: noon, Held: repeat.Held{Calls: 40, Gravest: &alert.Alert{Kind: alert.Attempt}}}
		s.put(t, func(tx *Tx) error { return tx.putBurst(b) })
		s.put(t, func(tx *Tx) error {
			return tx.exec(`UPDATE bursts SET body = json_set(body, '$.Held.Examples', json_array(?1, ?1)) WHERE key = ?2`, strings.Repeat("x", 6000), b.Key)
		})
	}
	if n := s.count(t, `SELECT count(*) FROM bursts WHERE json_extract(body, '$.Held.Calls') = 40`); n != 300 {
		t.Errorf("%d bursts are left with their counts, want 300", n)
	}
}
