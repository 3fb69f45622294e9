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
func (s snapshot) Unseen(ctx context.Context, scope inventory.Scope, seen *inventory.Seen, before time.Time, after int64, limit int) (out []inventory.Row, last int64, err error) {
	last = after
	err = s.View(ctx, func(t *Tx) error {
		var nums []int64
		err := t.rows(func(scan func(...any) error) error {
			if len(nums) == limit {
				return errEnough
			}
			err := scan(&last)
			if !seen.Has(last) {
				nums = append(nums, last)
			}
			return err
		}, `SELECT num FROM flow_logs WHERE num > ? AND account = ? AND region = ? AND state = 'live' AND (written_at < ? OR written_at > ?) ORDER BY num`,
			after, scope.Account, scope.Region, before.UnixMilli(), s.now().Add(time.Minute).UnixMilli())
		if err == nil && len(nums) > 0 {
			out, err = each[inventory.Row](t, `SELECT body FROM flow_logs WHERE num IN (SELECT value FROM json_each(?)) ORDER BY num`, body(nums))
		}
		return err
	})
	return out, last, err
}

// LiveAfter returns live rows by ID (inventory.Snapshot).
func (s snapshot) LiveAfter(ctx context.Context, scope inventory.Scope, after string, limit int) ([]inventory.Row, error) {
	return viewed(ctx, s.file, func(t *Tx) ([]inventory.Row, error) {
		return each[inventory.Row](t, `SELECT body FROM flow_logs WHERE account = ? AND region = ? AND id > ? AND state = 'live' ORDER BY id LIMIT ?`,
			scope.Account, scope.Region, after, limit)
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
