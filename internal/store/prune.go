package store

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"time"
)

// keepCalls is longer than any alert looks back from the time of its event,
// which may be hours ago.
const keepCalls = 24 * time.Hour

// rowsAtOnce is how many rows one transaction of Prune or Change writes at most:
// whoever has a deletion to commit waits for one of these, not for all.
const rowsAtOnce = 1000

// Where one transaction of Prune takes longer than slow, with its commit, the next
// has half as many, down to fewestAtOnce; where they take less than quick,
// twice as many: a slow or busy machine makes nobody wait longer.
const (
	slow, quick  = 40 * time.Millisecond, 10 * time.Millisecond
	fewestAtOnce = 50
)

// paced is how many rows come next, after so many took so long.
func paced(rows int64, took time.Duration) int64 {
	switch {
	case took > slow:
		return max(fewestAtOnce, rows/2)
	case took < quick:
		return min(rowsAtOnce, rows*2)
	}
	return rows
}

// mostKept is how many rows of a table wait for the end of the retention: of
// settled incidents, gone flow logs, events, and alerts. Beyond that the oldest go
// earlier.
const mostKept = 200_000

// Prune forgets what is settled for longer than the retention, or more than
// mostKept: incidents with their history, gone rows, events that no incident belongs
// to and that name none that is not settled, alerts that no sink waits for; what
// principals did more than a day ago; and dependencies of no flow log. It also drops
// what is beyond the budget. Each table is read once, by an index, in transactions of
// at most rowsAtOnce rows, with the writer free between two of them. It goes on with
// the other tables where one fails.
func (s *Store) Prune(ctx context.Context, before time.Time) error {
	return s.prune(ctx, before.UnixMilli(), mostKept)
}

func (s *Store) prune(ctx context.Context, at int64, most int) error {
	var errs []error
	note := func(table string, err error) {
		if err != nil {
			errs = append(errs, fmt.Errorf("prune %s: %w", table, err))
		}
	}
	for _, p := range prunings {
		note(p.name, p.run(ctx, s.file, at, most))
	}
	for _, w := range sweeps {
		note(w.table, w.run(ctx, s.file))
	}
	note("calls", pruneCalls(ctx, s.file))
	return errors.Join(append(errs, dropExcess(ctx, s.file))...)
}

// prunings are the tables that Prune reads by age, in this order.
var prunings = []pruning{
	{name: "incidents", age: `SELECT settled_at FROM incidents WHERE settled_at IS NOT NULL`, find: `SELECT settled_at, rowid, 1 + (SELECT count(*) FROM history h WHERE h.account = i.account AND h.region = i.region AND h.id = i.id)
		FROM incidents i WHERE settled_at < ?1 AND (settled_at, rowid) > (?2, ?3) ORDER BY settled_at, rowid LIMIT ?4`,
		remove: []string{`DELETE FROM history WHERE (account, region, id) IN (SELECT account, region, id FROM incidents WHERE rowid IN (SELECT value FROM json_each(?1)))`,
			`DELETE FROM incidents WHERE rowid IN (SELECT value FROM json_each(?1))`}},
	{name: "flow_logs", age: `SELECT gone_at FROM flow_logs WHERE gone_at IS NOT NULL`, find: `SELECT gone_at, num, NOT EXISTS (SELECT 1 FROM incidents i WHERE i.account = f.account AND i.region = f.region AND i.id = f.id)
		FROM flow_logs f WHERE gone_at < ?1 AND (gone_at, num) > (?2, ?3) AND +state = 'gone' ORDER BY gone_at, num LIMIT ?4`,
		remove: []string{`DELETE FROM flow_logs WHERE num IN (SELECT value FROM json_each(?1))`}},
	{name: "events", age: `SELECT detected_at FROM events`, find: `SELECT detected_at, rowid, due_at IS NULL AND NOT EXISTS (SELECT 1 FROM incidents i WHERE i.account = e.account AND i.region = e.region AND i.event_id = e.id)
			AND NOT EXISTS (SELECT 1 FROM history h CROSS JOIN incidents i ON i.account = h.account AND i.region = h.region AND i.id = h.id
				WHERE h.account = e.account AND h.region = e.region AND h.event_id = e.id AND i.settled_at IS NULL)
		FROM events e WHERE detected_at < ?1 AND (detected_at, rowid) > (?2, ?3) ORDER BY detected_at, rowid LIMIT ?4`,
		remove: []string{`DELETE FROM events WHERE rowid IN (SELECT value FROM json_each(?1))`}},
	{name: "alerts", age: `SELECT at FROM alerts`, find: `SELECT at, num, iif(EXISTS (SELECT 1 FROM deliveries d WHERE d.alert = a.num AND d.sent_at IS NULL AND d.parked_at IS NULL), 0,
		1 + (SELECT count(*) FROM deliveries d WHERE d.alert = a.num))
		FROM alerts a WHERE at < ?1 AND (at, num) > (?2, ?3) ORDER BY at, num LIMIT ?4`,
		remove: []string{`DELETE FROM deliveries WHERE alert IN (SELECT value FROM json_each(?1))`,
			`DELETE FROM alerts WHERE num IN (SELECT value FROM json_each(?1))`}},
}

// pruning of one table. age selects the times by which its rows are old. find
// selects, beyond a place in the table, the rows older than a time: the two numbers
// of their place, the second of which names the row, and how many rows go with it,
// itself included; 0: it stays.
type pruning struct {
	name, age, find string
	remove          []string // of the rows named by a JSON array
}

// place is that of a row in a table that is read by age.
type place struct{ at, num int64 }

func (p pruning) run(ctx context.Context, f *file, before int64, most int) error {
	err := f.View(ctx, func(t *Tx) error {
		var nth int64
		many, err := first(t, []any{&nth}, p.age+` ORDER BY 1 DESC LIMIT 1 OFFSET ?`, most)
		if many {
			before = max(before, nth+1)
		}
		return err
	})
	rows := int64(rowsAtOnce)
	for from := (place{math.MinInt64, math.MinInt64}); err == nil && ctx.Err() == nil; {
		to, began := from, time.Time{}
		err = f.Update(ctx, func(t *Tx) (err error) {
			began = time.Now() // not while it waits for others
			var ids []int64
			if ids, to, err = p.batch(t, rows, before, from); err != nil || len(ids) == 0 {
				return err
			}
			for _, q := range p.remove {
				if err := t.exec(q, body(ids)); err != nil {
					return err
				}
			}
			return nil
		})
		if to == from {
			break
		}
		from, rows = to, paced(rows, time.Since(began))
	}
	return err
}

// batch finds the next rows to remove, with those that go with them no more than
// most; one alone may have more. It returns the place of the last one that it has seen.
func (p pruning) batch(t *Tx, most, before int64, from place) (ids []int64, to place, err error) {
	to = from
	total := int64(0)
	err = t.rows(func(scan func(...any) error) error {
		var row place
		var weight int64
		if err := scan(&row.at, &row.num, &weight); err != nil {
			return err
		}
		if total += weight; total > most && len(ids) > 0 {
			return errEnough
		}
		to = row
		if weight > 0 {
			ids = append(ids, row.num)
		}
		return nil
	}, p.find, before, from.at, from.num, most)
	return ids, to, err
}

// sweep forgets the rows x of a table that nothing needs, in the order of its key.
type sweep struct{ table, key, needless string }

var sweeps = []sweep{
	// What no flow log depends on any more, neither one of the snapshot nor one that is to
	// come back.
	{"depends", "thing, account, region, needs", `NOT EXISTS (SELECT 1 FROM flow_logs f WHERE f.account = x.account AND f.region = x.region AND f.needs = x.needs)
		AND NOT EXISTS (SELECT 1 FROM incidents i INDEXED BY incidents_pending WHERE i.account = x.account AND i.region = x.region AND i.state IN ('open', 'blocked'))`},
	// Campaigns whose events are forgotten. A campaign is written together with an event,
	// so that there are never more of them than events.
	{"campaigns", "id", `NOT EXISTS (SELECT 1 FROM events e WHERE e.campaign = x.id AND e.campaign <> '')`},
}

func (w sweep) run(ctx context.Context, f *file) error {
	columns := strings.Count(w.key, ",") + 1
	marks := `(` + strings.Repeat(`, ?`, columns)[2:] + `)`
	after := slices.Repeat([]any{""}, columns)
	for more := true; more && ctx.Err() == nil; {
		var last []any
		err := f.Update(ctx, func(t *Tx) (err error) {
			query, args := `DELETE FROM `+w.table+` AS x WHERE `+w.needless+` AND (`+w.key+`) > `+marks, after
			last = slices.Repeat([]any{""}, columns)
			into := make([]any, columns)
			for n := range into {
				into[n] = &last[n]
			}
			more, err = first(t, into, `SELECT `+w.key+` FROM `+w.table+` WHERE (`+w.key+`) > `+marks+` ORDER BY `+w.key+` LIMIT 1 OFFSET ?`, append(after, rowsAtOnce-1)...)
			if err != nil {
				return err
			}
			if more {
				query, args = query+` AND (`+w.key+`) <= `+marks, append(after, last...)
			}
			return t.exec(query, args...)
		})
		if err != nil {
			return err
		}
		after = last
	}
	return nil
}

// pruneCalls forgets what principals did more than a day ago. These rows have no
// number of their own.
func pruneCalls(ctx context.Context, f *file) error {
	for n := int64(rowsAtOnce); n == rowsAtOnce && ctx.Err() == nil; {
		err := f.Update(ctx, func(t *Tx) (err error) {
			n, err = t.changed(`DELETE FROM deeds WHERE (principal, event_id, event_name) IN (SELECT principal, event_id, event_name FROM deeds WHERE at < ? ORDER BY at LIMIT ?)`,
				f.now().Add(-keepCalls).UnixMilli(), rowsAtOnce)
			return err
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// dropExcess drops what is beyond the budget, as after an upgrade, or where the
// disk has become smaller.
func dropExcess(ctx context.Context, f *file) error {
	for again := f.daemon; again && ctx.Err() == nil; {
		err := f.Update(ctx, func(t *Tx) error {
			again = false
			held, err := t.sum()
			if err != nil {
				return err
			}
			f.held.Store(held)
			over := held - f.budget(held)
			if over <= 0 {
				return nil
			}
			freed, err := t.drop(over, dropAtOnce)
			again = freed > 0 && freed < over
			return err
		})
		if err != nil {
			return fmt.Errorf("drop what is beyond the budget: %w", err)
		}
	}
	return nil
}
