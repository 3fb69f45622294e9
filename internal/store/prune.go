package store

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
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
	for _, p := range prunings {
		if err := p.run(ctx, s, at, most); err != nil {
			errs = append(errs, fmt.Errorf("prune %s: %w", p.name, err))
		}
	}
	if err := s.pruneDepends(ctx); err != nil {
		errs = append(errs, fmt.Errorf("prune depends: %w", err))
	}
	if err := s.pruneCampaigns(ctx); err != nil {
		errs = append(errs, fmt.Errorf("prune campaigns: %w", err))
	}
	for n := rowsAtOnce; n == rowsAtOnce && ctx.Err() == nil; { // these rows have no number of their own
		err := s.Update(ctx, func(t *Tx) error {
			deleted, err := t.changed(`DELETE FROM deeds WHERE (principal, event_id, event_name) IN (SELECT principal, event_id, event_name FROM deeds WHERE at < ? ORDER BY at LIMIT ?)`,
				t.f.now().Add(-keepCalls).UnixMilli(), rowsAtOnce)
			n = int(deleted)
			return err
		})
		if err != nil {
			errs = append(errs, fmt.Errorf("prune deeds: %w", err))
			break
		}
	}
	return errors.Join(append(errs, s.dropExcess(ctx))...)
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

func (p pruning) run(ctx context.Context, s *Store, before int64, most int) error {
	err := s.View(ctx, func(t *Tx) error {
		return t.rows(func(scan func(...any) error) error {
			var nth int64
			err := scan(&nth)
			before = max(before, nth+1)
			return err
		}, p.age+` ORDER BY 1 DESC LIMIT 1 OFFSET ?`, most)
	})
	if err != nil {
		return err
	}
	at, num, rows := int64(-1<<63), int64(-1<<63), int64(rowsAtOnce)
	for ctx.Err() == nil {
		seen, began := 0, time.Time{}
		nextAt, nextNum := at, num
		err := s.Update(ctx, func(t *Tx) (err error) {
			began = time.Now() // not while it waits for others
			var ids []int64
			if ids, seen, nextAt, nextNum, err = p.batch(t, rows, before, at, num); err != nil || len(ids) == 0 {
				return err
			}
			list, err := json.Marshal(ids)
			if err != nil {
				return err
			}
			for _, q := range p.remove {
				if err := t.exec(q, string(list)); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			return err
		}
		if seen == 0 {
			return nil
		}
		at, num, rows = nextAt, nextNum, paced(rows, time.Since(began))
	}
	return nil
}

// batch finds the next rows to remove, with those that go with them no more than
// most; one alone may have more. seen counts those looked at.
func (p pruning) batch(t *Tx, most, before, at, num int64) (ids []int64, seen int, lastAt, lastNum int64, err error) {
	lastAt, lastNum = at, num
	total := int64(0)
	err = t.rows(func(scan func(...any) error) error {
		var rowAt, rowNum, weight int64
		if err := scan(&rowAt, &rowNum, &weight); err != nil {
			return err
		}
		if total += weight; total > most && len(ids) > 0 {
			return errEnough
		}
		seen++
		lastAt, lastNum = rowAt, rowNum
		if weight > 0 {
			ids = append(ids, rowNum)
		}
		return nil
	}, p.find, before, at, num, most)
	return ids, seen, lastAt, lastNum, err
}

// pruneCampaigns forgets the campaigns whose events are forgotten. A campaign is
// written together with an event, so that there are never more of them than events.
func (s *Store) pruneCampaigns(ctx context.Context) error {
	after := ""
	for again := true; again && ctx.Err() == nil; {
		last := after
		err := s.Update(ctx, func(t *Tx) error {
			err := t.one(&last, `SELECT id FROM (SELECT id FROM campaigns WHERE id > ? ORDER BY id LIMIT ?) ORDER BY id DESC LIMIT 1`, after, rowsAtOnce)
			if again = err == nil; errors.Is(err, sql.ErrNoRows) {
				return nil
			} else if err != nil {
				return err
			}
			return t.exec(`DELETE FROM campaigns AS c WHERE id > ? AND id <= ? AND NOT EXISTS (SELECT 1 FROM events e WHERE e.campaign = c.id AND e.campaign <> '')`, after, last)
		})
		if err != nil {
			return err
		}
		after = last
	}
	return nil
}

// pruneDepends forgets what no flow log depends on any more, neither one of the
// snapshot nor one that is to come back.
func (s *Store) pruneDepends(ctx context.Context) error {
	after := [4]string{}
	for again := true; again && ctx.Err() == nil; {
		last := after
		err := s.Update(ctx, func(t *Tx) error {
			again = false
			err := t.rows(func(scan func(...any) error) error {
				again = true
				return scan(&last[0], &last[1], &last[2], &last[3])
			}, `SELECT thing, account, region, needs FROM (SELECT * FROM depends WHERE (thing, account, region, needs) > (?, ?, ?, ?)
				ORDER BY thing, account, region, needs LIMIT ?) ORDER BY thing DESC, account DESC, region DESC, needs DESC LIMIT 1`,
				after[0], after[1], after[2], after[3], rowsAtOnce)
			if err != nil || !again {
				return err
			}
			return t.exec(`DELETE FROM depends AS d WHERE (thing, account, region, needs) > (?, ?, ?, ?) AND (thing, account, region, needs) <= (?, ?, ?, ?)
				AND NOT EXISTS (SELECT 1 FROM flow_logs f WHERE f.account = d.account AND f.region = d.region AND f.needs = d.needs)
				AND NOT EXISTS (SELECT 1 FROM incidents i INDEXED BY incidents_pending WHERE i.account = d.account AND i.region = d.region AND i.state IN ('open', 'blocked'))`,
				after[0], after[1], after[2], after[3], last[0], last[1], last[2], last[3])
		})
		if err != nil {
			return err
		}
		after = last
	}
	return nil
}

// dropExcess drops what is beyond the budget, as after an upgrade, or where the
// disk has become smaller.
func (s *Store) dropExcess(ctx context.Context) error {
	for again := s.daemon; again && ctx.Err() == nil; {
		err := s.Update(ctx, func(t *Tx) error {
			again = false
			held, err := t.sum()
			if err != nil {
				return err
			}
			t.f.held.Store(held)
			over := held - t.f.budget(held)
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
