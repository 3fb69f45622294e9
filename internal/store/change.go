package store

import (
	"context"
	"encoding/json"
	"time"

	"flowkeeper/inventory"
)

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
		err := s.Update(ctx, func(t *Tx) (err error) {
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
func (t *Tx) changePage(after int64, fn func(r *inventory.Row) bool) (last int64, n int, more bool, err error) {
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
	err = s.Update(ctx, func(t *Tx) error {
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
