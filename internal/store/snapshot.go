package store

import (
	"context"
	"time"

	"flowkeeper/inventory"
)

// snapshot is the store as refreshes use it: an inventory.Snapshot.
type snapshot struct{ *file }

// Known finds rows by ID (inventory.Snapshot).
func (s snapshot) Known(ctx context.Context, scope inventory.Scope, ids []string) (map[string]inventory.Known, error) {
	out := make(map[string]inventory.Known, len(ids))
	err := s.View(ctx, func(t *Tx) error {
		return t.rows(func(scan func(...any) error) error {
			var id string
			var k inventory.Known
			var digest []byte
			err := scan(&id, &k.Num, &k.State, &digest)
			copy(k.Digest[:], digest)
			out[id] = k
			return err
		}, `SELECT id, num, state, digest FROM flow_logs
			WHERE account = ? AND region = ? AND id IN (SELECT value FROM json_each(?))`, scope.Account, scope.Region, body(ids))
	})
	return out, err
}

// Unseen returns live rows that a listing did not show (inventory.Snapshot).
func (s snapshot) Unseen(ctx context.Context, scope inventory.Scope, seen *inventory.Seen, before time.Time, after string, limit int) (out []inventory.Row, last string, err error) {
	last = after
	err = s.View(ctx, func(t *Tx) error {
		for {
			var nums []int64
			err := t.rows(func(scan func(...any) error) error {
				if len(nums) == limit {
					return errEnough
				}
				var num int64
				err := scan(&num, &last)
				if !seen.Has(num) {
					nums = append(nums, num)
				}
				return err
			}, numbersOf, scope.Account, scope.Region, last)
			if err != nil || len(nums) == 0 {
				return err
			}
			out, err = each[inventory.Row](t, `SELECT body FROM flow_logs WHERE num IN (SELECT value FROM json_each(?))
				AND state = 'live' AND (written_at < ? OR written_at > ?) ORDER BY id`, body(nums), before.UnixMilli(), s.now().Add(time.Minute).UnixMilli())
			if err != nil || len(out) > 0 {
				return err
			}
		}
	})
	return out, last, err
}

// numbersOf selects the numbers of a scope's rows out of an index alone: a listing shows
// nearly all of them, so that nearly no row has to be read.
const numbersOf = `SELECT num, id FROM flow_logs WHERE account = ? AND region = ? AND id > ? ORDER BY id`

// LiveAfter returns live rows by ID (inventory.Snapshot).
func (s snapshot) LiveAfter(ctx context.Context, scope inventory.Scope, after string, limit int) ([]inventory.Row, error) {
	return viewed(ctx, s.file, func(t *Tx) ([]inventory.Row, error) {
		return each[inventory.Row](t, `SELECT body FROM flow_logs WHERE account = ? AND region = ? AND id > ? AND state = 'live' ORDER BY id LIMIT ?`,
			scope.Account, scope.Region, after, limit)
	})
}

// FirstRefreshed are the scopes that had a complete refresh.
func (s snapshot) FirstRefreshed(ctx context.Context) (map[inventory.Scope]bool, error) {
	return viewed(ctx, s.file, func(t *Tx) (map[inventory.Scope]bool, error) {
		return byKey(t, func(scope *inventory.Scope, had *bool) []any { return []any{&scope.Account, &scope.Region, had} },
			`SELECT account, region, first_at IS NOT NULL FROM scopes`)
	})
}

// Refreshed records a complete listing (inventory.Snapshot).
func (s snapshot) Refreshed(ctx context.Context, scope inventory.Scope, started, ended time.Time) error {
	return s.Update(ctx, func(t *Tx) error {
		return t.exec(`INSERT INTO scopes (account, region, refreshed_at, first_at, holds) VALUES (?, ?, ?, ?, 1)
			ON CONFLICT DO UPDATE SET refreshed_at = excluded.refreshed_at, first_at = coalesce(first_at, excluded.first_at), stale = NULL, holds = 1`,
			scope.Account, scope.Region, started.UnixMilli(), ended.UnixMilli())
	})
}
