package store

import (
	"context"
	"time"

	"flowkeeper/internal/retry"
	"flowkeeper/inventory"
)

// longestPause is the longest time that SQLite sleeps before it tries again to lock the file.
const longestPause = 100 * time.Millisecond

// ChangeRows runs fn on each row, and writes the rows for which fn returns true. It returns
// how many these are. Each transaction has at most a page of rows, so that a daemon can
// commit between two of them: a deletion must not wait for a release of many thousand
// rows. If it fails, or the process ends, the rows up to there stay changed: run it again
// for the rest.
func (s *Store) ChangeRows(ctx context.Context, fn func(r *inventory.Row) bool) (n int, err error) {
	for after := int64(0); ; {
		if err := ctx.Err(); err != nil {
			return n, err
		}
		began, changed, last := time.Now(), 0, after
		err := s.Update(ctx, func(t *Tx) error {
			changed, last = 0, after
			rows, err := t.flowLogs.after(after)
			if err != nil {
				return err
			}
			for _, x := range rows {
				if last = x.num; !fn(&x.row) {
					continue
				}
				changed++
				if err := t.PutFlowLog(x.row); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil || last == after {
			return n, err
		}
		n, after = n+changed, last
		if changed > 0 && !s.daemon {
			retry.Sleep(ctx, min(time.Since(began), longestPause)) // leaves the file to others: a process that waits for SQLite's lock only polls
		}
	}
}

// Import adds rows that the snapshot does not have; known ones stay unchanged. Imported
// flow logs are restored only by hand until a listing has shown them.
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
