package store

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"sync/atomic"
	"syscall"

	"modernc.org/sqlite"

	"flowkeeper/alert"
)

// Anybody who can sign calls in the account, even without any permission, can cause records
// without end: attempts, tampering, deletions of IDs that never existed. What these leave in
// the file is droppable: such a row has a cost, in bytes. The droppable rows together take at
// most maxDroppable, less on a small disk, and the oldest go first. Rows about flow logs that
// Flowkeeper knows, and rows that restores need, have no cost and are never dropped.
const (
	maxDroppable = 56 << 20 // bytes: with free pages and the write-ahead log the files grow by less than 64 MB
	shareOfRoom  = 4        // droppable rows take at most a quarter of the bytes that are free or already theirs
	dropAtOnce   = 1000     // rows: what one commit drops at most, unless it adds more
)

// maxLog is the size in bytes to which SQLite truncates a write-ahead log that has
// become larger: about the 1,000 pages after which it copies the log into the file.
const maxLog = 4 << 20

// Dropped counts what had to be dropped to keep the bound, since the start.
type Dropped struct {
	Rows        int64
	Undelivered int64 // alerts among these rows that a sink had not taken yet
}

// space is what droppable rows take.
type space struct {
	free                 func() (int64, error) // bytes on the disk
	held                 atomic.Int64          // bytes of droppable rows, or a little more than that
	dropped, undelivered atomic.Int64          // since the start
}

// Dropped returns the counts since the start.
func (s *space) Dropped() Dropped {
	return Dropped{Rows: s.dropped.Load(), Undelivered: s.undelivered.Load()}
}

// rowBytes is how many bytes a row takes in its table, by the length of its body: SQLite keeps
// rows in pages of 4,096 bytes, and a row that is longer than half of a page has the page alone.
func rowBytes(body int) int64 {
	const page = 4096
	switch n := body + 96; {
	case n > page/2-50:
		return int64((n + page - 1) / page * page)
	case n > page/3:
		return page / 2
	default:
		return int64(n) * 9 / 8
	}
}

// bill counts the droppable rows that one commit adds, and their bytes.
type bill struct{ rows, bytes int64 }

// charge adds a row of cost bytes to the bill, and returns cost. It also counts rows that
// replace others, and rows of a change that fails: droppable.sum corrects that.
func (t *tx) charge(cost int64) int64 {
	if t.bill != nil && cost > 0 {
		t.bill.rows++
		t.bill.bytes += cost
	}
	return cost
}

// budget is how many bytes droppable rows may take now; maxDroppable if the free bytes
// of the disk can't be read.
func (s *space) budget(held int64) int64 {
	free, err := s.free()
	if err != nil {
		return maxDroppable
	}
	return min(maxDroppable, (held+free)/shareOfRoom)
}

// freeOn is how many bytes are free on the disk of a file.
func freeOn(path string) (int64, error) {
	var st syscall.Statfs_t
	if err := syscall.Statfs(filepath.Dir(path), &st); err != nil {
		return 0, fmt.Errorf("see how much room there is for %s: %w", path, err)
	}
	return int64(st.Bavail) * int64(st.Bsize), nil
}

// droppable has the rows that may be dropped, of several tables.
type droppable struct{ *tx }

// dropOverBudget drops the oldest droppable rows if a commit takes their sum beyond the
// budget, down to seven eighths of it, so that the next commit has room. It drops at most
// dropAtOnce rows, or as many as the commit adds; the next commit, or Prune, drops the
// rest. It returns the bytes that the droppable rows then take.
func (t droppable) dropOverBudget() (held int64, err error) {
	held = t.f.held.Load() + t.bill.bytes
	budget := t.f.budget(held)
	if held <= budget {
		return held, nil
	}
	if held, err = t.sum(); err != nil || held <= budget {
		return held, err
	}
	bytes, err := t.drop(held-budget*7/8, max(dropAtOnce, t.bill.rows))
	return held - bytes, err
}

// sum is how many bytes the droppable rows and the bursts take. Bursts are few and
// never dropped: other rows make room for them.
func (t droppable) sum() (int64, error) {
	return firstValue[int64](t, `SELECT (SELECT coalesce(sum(cost), 0) FROM alerts WHERE cost > 0) + (SELECT coalesce(sum(cost), 0) FROM incidents WHERE cost > 0)
		+ (SELECT coalesce(sum(cost), 0) FROM events WHERE cost > 0) + (SELECT coalesce(sum(cost), 0) FROM deeds)
		+ (SELECT coalesce(sum(length(body)), 0) FROM bursts)`)
}

// The droppable rows of a table, the oldest first. They are read from an index that has
// only droppable rows: the rows that are kept are many, and older.
const (
	oldAlerts    = `FROM alerts INDEXED BY alerts_cost WHERE cost > 0 ORDER BY at, cost, num LIMIT ?1`
	oldIncidents = `FROM incidents INDEXED BY incidents_cost WHERE cost > 0 ORDER BY detected_at, cost, rowid LIMIT ?1`
	oldEvents    = `FROM events INDEXED BY events_cost WHERE cost > 0 ORDER BY detected_at, cost, rowid LIMIT ?1`
	oldCalls     = `FROM deeds INDEXED BY deeds_cost ORDER BY at, cost LIMIT ?1`

	// oldest selects the droppable rows of all tables.
	oldest = `SELECT kind, cost FROM (
		SELECT 'alerts' AS kind, at, cost FROM (SELECT at, cost ` + oldAlerts + `)
		UNION ALL SELECT 'incidents', at, cost FROM (SELECT detected_at AS at, cost ` + oldIncidents + `)
		UNION ALL SELECT 'events', at, cost FROM (SELECT detected_at AS at, cost ` + oldEvents + `)
		UNION ALL SELECT 'deeds', at, cost FROM (SELECT at, cost ` + oldCalls + `)) ORDER BY at LIMIT ?1`
)

// dropping deletes the ?1 oldest droppable rows of a table, with what belongs to them. An
// event stays, and is droppable no more, if an incident of a known flow log belongs to it.
var dropping = []struct{ kind, query string }{
	{"alerts", `DELETE FROM deliveries WHERE alert IN (SELECT num ` + oldAlerts + `)`},
	{"alerts", `DELETE FROM alerts WHERE num IN (SELECT num ` + oldAlerts + `)`},
	{"events", `UPDATE events SET cost = 0 WHERE rowid IN (SELECT rowid ` + oldEvents + `) AND ` + ofKnown},
	{"events", `DELETE FROM events WHERE rowid IN (SELECT rowid ` + oldEvents + `) AND NOT ` + ofKnown},
	{"incidents", `DELETE FROM history WHERE (account, region, id) IN (SELECT account, region, id ` + oldIncidents + `)`},
	{"incidents", `DELETE FROM incidents WHERE rowid IN (SELECT rowid ` + oldIncidents + `)`},
	{"deeds", `DELETE FROM deeds WHERE (principal, event_id, event_name) IN (SELECT principal, event_id, event_name ` + oldCalls + `)`},
}

// drop deletes the oldest droppable rows until it has freed the given bytes, but no more
// than most rows. It returns the bytes that it has freed.
func (t droppable) drop(bytes, most int64) (freed int64, err error) {
	count := map[string]int64{}
	err = t.rows(func(scan func(...any) error) error {
		if freed >= bytes {
			return errEnough
		}
		var kind string
		var cost int64
		err := scan(&kind, &cost)
		freed += cost
		count[kind]++
		t.droppedRows++
		return err
	}, oldest, most)
	if err != nil {
		return 0, err
	}
	unsent, err := firstValue[int64](t, `SELECT count(*) FROM (SELECT num `+oldAlerts+`) a
		WHERE EXISTS (SELECT 1 FROM deliveries d WHERE d.alert = a.num AND d.sent_at IS NULL AND d.parked_at IS NULL)`, count["alerts"])
	if err != nil {
		return 0, err
	}
	t.droppedUnsent += unsent
	for _, d := range dropping {
		if n := count[d.kind]; n > 0 {
			if err := t.exec(d.query, n); err != nil {
				return 0, err
			}
		}
	}
	return freed, nil
}

// ofKnown is true of an event that an incident of a known flow log belongs to.
const ofKnown = `EXISTS (SELECT 1 FROM incidents i WHERE i.account = events.account AND i.region = events.region AND i.event_id = events.id AND i.known = 1)`

// outOfRoom reports whether SQLite had no room for a page.
func outOfRoom(err error) bool {
	code := (*sqlite.Error)(nil)
	return errors.As(err, &code) && code.Code()&0xff == full || errors.Is(err, syscall.ENOSPC)
}

// makeRoom drops the oldest droppable rows from a full disk or, if there are none, rows
// that nothing waits for. It reports whether it has dropped any. Dropping rows writes to the
// disk too: if there is not enough room to drop many, it tries fewer.
func (f *file) makeRoom(ctx context.Context) bool {
	_, _ = f.w.ExecContext(ctx, `PRAGMA wal_checkpoint(TRUNCATE)`) // as far as there is room
	for most := int64(dropAtOnce); most > 0; most /= 10 {
		var done bool
		err := f.transact(ctx, func(t *Tx) error {
			_, err := t.droppable.drop(maxDroppable, most)
			if err == nil && t.droppedRows == 0 {
				err = t.dropUnneeded(most)
			}
			done = t.droppedRows > 0
			return err
		})
		if err == nil {
			return done
		}
	}
	return false
}

// What stays if a full disk has no droppable rows left. Restores and the alerts of deletions
// need room even then: forged records that name known flow logs leave lines of history and
// alerts without end.
const (
	keepLines  = 10                // the last lines of each incident's history
	keepAlerts = 2 * alert.MinRing // an alert that every sink has, for that long: its answer may have to wait until MinRing after it was sent
)

// dropUnneeded drops the oldest rows that nothing waits for: up to most lines of history, and
// up to most alerts. If there are none, it drops the examples in up to most bursts.
func (t droppable) dropUnneeded(most int64) error {
	const old = `SELECT num FROM alerts a WHERE at < ? AND NOT EXISTS (SELECT 1 FROM deliveries d WHERE d.alert = a.num AND d.sent_at IS NULL AND d.parked_at IS NULL) ORDER BY at, num LIMIT ?`
	before := t.f.now().Add(-keepAlerts).UnixMilli()
	for _, d := range []struct {
		query string
		args  []any
		rows  bool
	}{
		{`DELETE FROM history WHERE num IN (SELECT num FROM history h WHERE EXISTS (SELECT 1 FROM history x
			WHERE x.account = h.account AND x.region = h.region AND x.id = h.id AND x.num > h.num LIMIT 1 OFFSET ?) ORDER BY num LIMIT ?)`, []any{keepLines - 1, most}, true},
		{`DELETE FROM deliveries WHERE alert IN (` + old + `)`, []any{before, most}, false},
		{`DELETE FROM alerts WHERE num IN (` + old + `)`, []any{before, most}, true},
	} {
		n, err := t.changed(d.query, d.args...)
		if err != nil {
			return err
		}
		if d.rows {
			t.droppedRows += n
		}
	}
	if t.droppedRows > 0 {
		return nil
	}
	n, err := t.changed(`UPDATE bursts SET body = json_remove(body, '$.Held.Examples', '$.Held.Seen') WHERE key IN
		(SELECT key FROM bursts WHERE json_array_length(body, '$.Held.Examples') > 1 LIMIT ?)`, most)
	t.droppedRows += n
	return err
}
