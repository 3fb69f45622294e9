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

// keepCalls is how long the calls of principals are kept. No alert looks back as far from
// the time of its event, which itself may be hours ago.
const keepCalls = 24 * time.Hour

// rowsAtOnce is how many rows one transaction of Prune or Change writes at most: a commit of a
// deletion waits for one such transaction, not for all.
const rowsAtOnce = 1000

// If one transaction of Prune takes longer than slow, with its commit, the next has half as
// many rows, down to fewestAtOnce; if it takes less than quick, twice as many. So other
// commits wait no longer on a slow or busy machine.
const (
	slow, quick  = 40 * time.Millisecond, 10 * time.Millisecond
	fewestAtOnce = 50
)

// nextBatch is how many rows the next transaction has, by the rows of the last one and the
// time that it took.
func nextBatch(rows int64, took time.Duration) int64 {
	switch {
	case took > slow:
		return max(fewestAtOnce, rows/2)
	case took < quick:
		return min(rowsAtOnce, rows*2)
	}
	return rows
}

// mostKept is how many terminal incidents, gone flow logs, events and alerts, each, are kept
// until the end of the retention. If there are more, the oldest go earlier.
const mostKept = 200_000

// Prune deletes rows from before the end of the retention, and those beyond mostKept: terminal
// incidents with their history, gone flow logs, events that no incident belongs to and no
// pending incident has in its history, and alerts that no sink waits for. It also deletes calls
// of principals that are more than a day old, dependencies of no flow log, and droppable rows
// beyond the budget. It reads each table once, by an index, in transactions of at most
// rowsAtOnce rows; others may write between two of them. If one table fails, it goes on with
// the next.
func (s *Store) Prune(ctx context.Context, before time.Time) error {
	return s.prune(ctx, before.UnixMilli(), mostKept)
}

func (s *Store) prune(ctx context.Context, at int64, most int) error {
	var errs []error
	for _, p := range prunings {
		errs = append(errs, p.run(ctx, s.file, at, most))
	}
	for _, w := range sweeps {
		errs = append(errs, w.run(ctx, s.file))
	}
	return errors.Join(append(errs, pruneCalls(ctx, s.file), dropExcess(ctx, s.file))...)
}

// pruning deletes the old rows of one table, which its SQL calls x.
type pruning struct {
	table, at, num string   // at: the column with the time that makes a row old; num: the column that identifies it
	weight         string   // how many rows are deleted with a row, itself included; 0: it stays
	parts          []string // delete what belongs to the rows that a JSON array (?1) names
}

// prunings are the tables that Prune reads by age, in this order.
var prunings = []pruning{
	{table: "incidents", at: "settled_at", num: "rowid",
		weight: `1 + (SELECT count(*) FROM history h WHERE h.account = x.account AND h.region = x.region AND h.id = x.id)`,
		parts:  []string{`DELETE FROM history WHERE (account, region, id) IN (SELECT account, region, id FROM incidents WHERE rowid IN (SELECT value FROM json_each(?1)))`}},
	{table: "flow_logs", at: "gone_at", num: "num",
		weight: `state = 'gone' AND NOT EXISTS (SELECT 1 FROM incidents i WHERE i.account = x.account AND i.region = x.region AND i.id = x.id)`},
	{table: "events", at: "detected_at", num: "rowid",
		weight: `due_at IS NULL AND NOT EXISTS (SELECT 1 FROM incidents i WHERE i.account = x.account AND i.region = x.region AND i.event_id = x.id)
			AND NOT EXISTS (SELECT 1 FROM history h CROSS JOIN incidents i ON i.account = h.account AND i.region = h.region AND i.id = h.id
				WHERE h.account = x.account AND h.region = x.region AND h.event_id = x.id AND i.settled_at IS NULL)`},
	{table: "alerts", at: "at", num: "num",
		weight: `iif(EXISTS (SELECT 1 FROM deliveries d WHERE d.alert = x.num AND d.sent_at IS NULL AND d.parked_at IS NULL), 0,
			1 + (SELECT count(*) FROM deliveries d WHERE d.alert = x.num))`,
		parts: []string{`DELETE FROM deliveries WHERE alert IN (SELECT value FROM json_each(?1))`}},
}

// nth selects the time of the row that has ?1 younger rows.
func (p pruning) nth() string {
	return `SELECT ` + p.at + ` FROM ` + p.table + ` WHERE ` + p.at + ` IS NOT NULL ORDER BY 1 DESC LIMIT 1 OFFSET ?1`
}

// find selects the rows that are older than a time (?1), beyond a place in the table
// (?2, ?3): their place and their weight.
func (p pruning) find() string {
	place := p.at + `, ` + p.num
	return `SELECT ` + place + `, ` + p.weight + ` FROM ` + p.table + ` x WHERE ` + p.at + ` < ?1 AND (` + place + `) > (?2, ?3) ORDER BY ` + place + ` LIMIT ?4`
}

// remove deletes the rows that a JSON array (?1) names.
func (p pruning) remove() []string {
	return append(slices.Clip(p.parts), `DELETE FROM `+p.table+` WHERE `+p.num+` IN (SELECT value FROM json_each(?1))`)
}

// place is the position of a row in a table that is read by age.
type place struct{ at, num int64 }

func (p pruning) run(ctx context.Context, f *file, before int64, most int) error {
	err := f.View(ctx, func(t *Tx) error {
		var nth int64
		many, err := firstRow(t, []any{&nth}, p.nth(), most)
		if many {
			before = max(before, nth+1)
		}
		return err
	})
	rows := int64(rowsAtOnce)
	for from := (place{math.MinInt64, math.MinInt64}); err == nil && ctx.Err() == nil; {
		to, began := from, time.Time{}
		err = f.Update(ctx, func(t *Tx) (err error) {
			began = time.Now() // without the wait for other commits
			var ids []int64
			if ids, to, err = p.batch(t, rows, before, from); err != nil || len(ids) == 0 {
				return err
			}
			return t.execEach(p.remove(), body(ids))
		})
		if to == from {
			break
		}
		from, rows = to, nextBatch(rows, time.Since(began))
	}
	return err
}

// batch finds the next rows to remove, with the rows that are deleted with them no more than
// most, unless the first alone has more. to is the place of the last row that was read.
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
	}, p.find(), before, from.at, from.num, most)
	return ids, to, err
}

// sweep deletes the rows x of a table that nothing needs (unneeded, SQL), in the order of its key.
type sweep struct{ table, key, unneeded string }

var sweeps = []sweep{
	// Dependencies of no flow log: of none in the snapshot, and of none that may still be
	// restored.
	{"depends", "thing, account, region, needs", `NOT EXISTS (SELECT 1 FROM targets t CROSS JOIN flow_logs f ON f.target = t.num WHERE t.account = x.account AND t.region = x.region AND t.needs = x.needs)
		AND NOT EXISTS (SELECT 1 FROM incidents i INDEXED BY incidents_pending WHERE i.account = x.account AND i.region = x.region AND i.state IN ('open', 'blocked'))`},
	{"targets", "account, region, needs", `NOT EXISTS (SELECT 1 FROM flow_logs f WHERE f.target = x.num)`},
	// Names of resources that have no flow log in the snapshot.
	{"name_tags", "account, region, resource_id", `NOT EXISTS (SELECT 1 FROM flow_logs f WHERE f.account = x.account AND f.region = x.region AND f.resource_id = x.resource_id)`},
	// Campaigns whose events are deleted. Each campaign is written together with an event,
	// so there are never more campaigns than events.
	{"campaigns", "id", `NOT EXISTS (SELECT 1 FROM events e WHERE e.campaign = x.id AND e.campaign <> '')`},
}

func (w sweep) run(ctx context.Context, f *file) error {
	columns := strings.Count(w.key, ",") + 1
	marks := `(` + strings.Repeat(`, ?`, columns)[2:] + `)`
	after := slices.Repeat([]any{""}, columns)
	for more := true; more && ctx.Err() == nil; {
		var last []any
		err := f.Update(ctx, func(t *Tx) (err error) {
			query, args := `DELETE FROM `+w.table+` AS x WHERE `+w.unneeded+` AND (`+w.key+`) > `+marks, after
			last = slices.Repeat([]any{""}, columns)
			into := make([]any, columns)
			for n := range into {
				into[n] = &last[n]
			}
			more, err = firstRow(t, into, `SELECT `+w.key+` FROM `+w.table+` WHERE (`+w.key+`) > `+marks+` ORDER BY `+w.key+` LIMIT 1 OFFSET ?`, append(after, rowsAtOnce-1)...)
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

// pruneCalls deletes calls of principals that are older than keepCalls. Their table has no
// rowid, so it can't be one of the prunings.
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

// dropExcess drops what is beyond the budget, for example after an upgrade, or because the
// disk has become smaller.
func dropExcess(ctx context.Context, f *file) error {
	for again := f.daemon; again && ctx.Err() == nil; {
		err := f.Update(ctx, func(t *Tx) error {
			again = false
			held, err := t.droppable.sum()
			if err != nil {
				return err
			}
			f.held.Store(held)
			over := held - f.budget(held)
			if over <= 0 {
				return nil
			}
			freed, err := t.droppable.drop(over, dropAtOnce)
			again = freed > 0 && freed < over
			return err
		})
		if err != nil {
			return fmt.Errorf("drop what is beyond the budget: %w", err)
		}
	}
	return nil
}
