package store

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"time"

	"flowkeeper/remediate/incident"

	"flowkeeper/inventory"
	"flowkeeper/remediate/notify"
)

// page is how many rows a list reads at once: lists of any length stay small
// in memory, and no query stays open while a row is used.
const page = 500

// FlowLogs lists the whole snapshot by account, Region and ID. A live row's
// LastSeenAt is the start of its scope's last complete refresh.
func (s *Store) FlowLogs(ctx context.Context, yield func(inventory.Row) error) error {
	return s.FindFlowLogs(ctx, Filter{}, func(r inventory.Row, _ Fate) error { return yield(r) })
}

func lastSeen(r inventory.Row, refreshed map[inventory.Scope]time.Time) inventory.Row {
	if t, ok := refreshed[r.Scope]; ok && r.State == inventory.Live && t.After(r.LastSeenAt) {
		r.LastSeenAt = t
	}
	return r
}

// refreshed is the start of each scope's last complete refresh.
func (s *Store) refreshed(ctx context.Context) (out map[inventory.Scope]time.Time, err error) {
	err = s.read(ctx, func(t *tx) (err error) { out, err = t.refreshes(); return err })
	return out, err
}

// FindFlowLog finds a row by its ID alone, in whichever scope it is.
func (s *Store) FindFlowLog(ctx context.Context, id string) (row inventory.Row, ok bool, err error) {
	refreshed, err := s.refreshed(ctx)
	if err != nil {
		return row, false, err
	}
	err = s.read(ctx, func(t *tx) error {
		row, ok, err = one[inventory.Row](t, `SELECT body FROM flow_logs WHERE id = ?`, id)
		return err
	})
	return lastSeen(row, refreshed), ok, err
}

// FindIncident finds an incident by its flow log's ID alone, with its history.
func (s *Store) FindIncident(ctx context.Context, id string) (i incident.Incident, h []incident.Entry, ok bool, err error) {
	err = s.read(ctx, func(t *tx) error {
		if i, ok, err = one[incident.Incident](t, `SELECT body FROM incidents WHERE id = ?`, id); err != nil || !ok {
			return err
		}
		h, err = each[incident.Entry](t, `SELECT body FROM history WHERE account = ? AND region = ? AND id = ? ORDER BY num`, i.Scope.Account, i.Scope.Region, id)
		return err
	})
	return i, h, ok, err
}

// Change runs fn on each row, once, and writes those that fn changed. It reports
// how many. It does so in transactions of at most a page, so that a daemon's
// commits have their turn between two of them: a deletion waits for no release of
// many thousand rows. Where it ends with an error, or the process does, the rows
// before that are changed and the others are not: running it again does the rest.
func (s *Store) Change(ctx context.Context, fn func(r *inventory.Row) bool) (n int, err error) {
	for after, more := int64(0), true; more; {
		if err := ctx.Err(); err != nil {
			return n, err
		}
		began, changed := time.Now(), 0
		err := s.write(ctx, func(t *tx) (err error) {
			after, changed, more, err = t.changePage(after, fn)
			return err
		})
		if err != nil {
			return n, err
		}
		n += changed
		if changed > 0 && more && !s.daemon {
			pause(ctx, min(time.Since(began), longestPause)) // another process that waits for the file asks only now and then
		}
	}
	return n, nil
}

// longestPause is as long as SQLite lets one that waits for the file sleep before
// it asks again.
const longestPause = 100 * time.Millisecond

func pause(ctx context.Context, d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
	case <-ctx.Done():
	}
}

// changePage runs fn on the rows of the page after a number.
func (t *tx) changePage(after int64, fn func(r *inventory.Row) bool) (last int64, n int, more bool, err error) {
	nums, last, err := t.rowNums(after)
	if err != nil || len(nums) == 0 {
		return after, 0, false, err
	}
	list, err := json.Marshal(nums)
	if err != nil {
		return after, 0, false, err
	}
	rows, err := each[inventory.Row](t, `SELECT body FROM flow_logs WHERE num IN (SELECT value FROM json_each(?))`, string(list))
	if err != nil {
		return after, 0, false, err
	}
	for _, r := range rows {
		if !fn(&r) {
			continue
		}
		n++
		if err := t.PutFlowLog(r); err != nil {
			return after, n, false, err
		}
	}
	return last, n, true, nil
}

func (t *tx) rowNums(after int64) (nums []int64, last int64, err error) {
	last = after
	err = t.rows(func(scan func(...any) error) error {
		err := scan(&last)
		nums = append(nums, last)
		return err
	}, `SELECT num FROM flow_logs WHERE num > ? ORDER BY num LIMIT ?`, after, page)
	return nums, last, err
}

// Import adds rows that the snapshot does not have; known ones stay as they
// are. They act only by hand until a listing has shown them.
func (s *Store) Import(ctx context.Context, rows []inventory.Row) (added int, err error) {
	err = s.write(ctx, func(t *tx) error {
		added = 0
		for _, r := range rows {
			if _, ok, err := t.FlowLog(r.Scope, r.ID); err != nil {
				return err
			} else if ok {
				continue
			}
			r.Imported, r.WrittenAt, added = true, s.now(), added+1
			if err := t.PutFlowLog(r); err != nil {
				return err
			}
		}
		return nil
	})
	return added, err
}

// Fact reads a remembered value; empty: none.
func (s *Store) Fact(ctx context.Context, name string) (v string, err error) {
	err = s.read(ctx, func(t *tx) (err error) { v, err = t.fact(name); return err })
	return v, err
}

// SetFact remembers a value.
func (s *Store) SetFact(ctx context.Context, name, value string) error {
	return s.write(ctx, func(t *tx) error { return t.setFact(name, value) })
}

func (t *tx) setFact(name, value string) error {
	return t.exec(`INSERT OR REPLACE INTO facts (name, value) VALUES (?, ?)`, name, value)
}

func (t *tx) fact(name string) (v string, err error) {
	if err = t.one(&v, `SELECT value FROM facts WHERE name = ?`, name); errors.Is(err, sql.ErrNoRows) {
		err = nil
	}
	return v, err
}

func factTrouble(s inventory.Scope, p notify.Part) string {
	return "trouble " + string(p) + " " + s.String()
}

func (t *tx) Trouble(s inventory.Scope, p notify.Part) (bool, error) {
	v, err := t.fact(factTrouble(s, p))
	return v != "", err
}

func (t *tx) SetTrouble(s inventory.Scope, p notify.Part, on bool) error {
	value := ""
	if on {
		value = t.s.now().UTC().Format(time.RFC3339)
	}
	return t.setFact(factTrouble(s, p), value)
}
