package store

import (
	"context"
	"fmt"
	"iter"
	"slices"
	"strconv"
	"strings"
	"time"

	"flowkeeper/inventory"
	"flowkeeper/remediate/delivery"
)

// snapshot is the store as refreshes use it: an inventory.Snapshot.
type snapshot struct{ *file }

// Compare compares what AWS lists with the rows (inventory.Snapshot).
func (s snapshot) Compare(ctx context.Context, l *inventory.Listing, page []inventory.Listed) (changed []int, err error) {
	ids, digests := make([]string, len(page)), make([]byte, 0, len(page)*len(inventory.Listed{}.Digest))
	for n, x := range page {
		ids[n], digests = x.ID, append(digests, x.Digest[:]...)
	}
	var nums, places string
	err = s.View(ctx, func(t *Tx) error {
		_, err := firstRow(t, []any{&nums, &places}, compared, l.Scope.Account, l.Scope.Region, body(ids), digests)
		return err
	})
	if err != nil {
		return nil, err
	}
	for num := range numbers(nums) {
		l.Seen.Add(num)
	}
	for place := range numbers(places) {
		changed = append(changed, int(place))
	}
	return changed, nil
}

// compared looks up a list of IDs (?3). It selects the numbers of their rows, and the indexes in the list of those
// IDs that have no row, or a live row with another digest than the list of digests (?4) has at this index. Each is one
// text: the driver takes longer to return a row than SQLite takes to put the numbers together. The LEFT JOIN also makes
// SQLite read the list first, never the whole scope.
const compared = `SELECT coalesce(group_concat(f.num), ''),
	coalesce(group_concat(j.key) FILTER (WHERE f.num IS NULL OR f.state <> 'gone' AND f.digest <> substr(?4, 16 * j.key + 1, 16)), '')
	FROM json_each(?3) j LEFT JOIN flow_logs f ON f.account = ?1 AND f.region = ?2 AND f.id = j.value`

// numbers yields the numbers of a text that has commas between them.
func numbers(text string) iter.Seq[int64] {
	return func(yield func(int64) bool) {
		for part := range strings.SplitSeq(text, ",") {
			if n, err := strconv.ParseInt(part, 10, 64); err == nil && !yield(n) { // an empty text has none
				return
			}
		}
	}
}

// Unseen returns live rows that a listing did not show (inventory.Snapshot).
func (s snapshot) Unseen(ctx context.Context, l *inventory.Listing, after string, limit int) (out []inventory.Row, last string, err error) {
	last = after
	err = s.View(ctx, func(t *Tx) error {
		for {
			var nums []int64
			var end int64 // the last row that was read
			err := t.rows(func(scan func(...any) error) error {
				if len(nums) == limit {
					return errEnough
				}
				err := scan(&end)
				if !l.Seen.Has(end) {
					nums = append(nums, end)
				}
				return err
			}, numbersOf, l.Scope.Account, l.Scope.Region, last)
			if err != nil || len(nums) == 0 {
				return err
			}
			there, err := firstRow(t, []any{&last}, `SELECT id FROM flow_logs WHERE num = ?`, end)
			if err == nil && !there {
				err = fmt.Errorf("read flow_logs in %s: row %d is in an index alone", s.path, end)
			}
			if err != nil {
				return err
			}
			out, err = allBodies[inventory.Row](t, `SELECT body FROM flow_logs WHERE num IN (SELECT value FROM json_each(?))
				AND state = 'live' AND (written_at < ? OR written_at > ?) ORDER BY id`, body(nums), l.Before.UnixMilli(), s.now().Add(time.Minute).UnixMilli())
			if err != nil || len(out) > 0 {
				return err
			}
		}
	})
	return out, last, err
}

// numbersOf selects the numbers of a scope's rows out of an index alone: a listing shows
// nearly all of them, so that nearly no row has to be read.
const numbersOf = `SELECT num FROM flow_logs WHERE account = ? AND region = ? AND id > ? ORDER BY id`

// LiveUnless returns live rows by ID (inventory.Snapshot). It reads no row of a protected flow
// log if the destinations of all of them are fine.
func (s snapshot) LiveUnless(ctx context.Context, scope inventory.Scope, fine func(destination string) bool, after string, limit int) ([]inventory.Row, error) {
	type target struct {
		num int64
		of  delivery.Target
	}
	return viewed(ctx, s.file, func(t *Tx) ([]inventory.Row, error) {
		targets, err := allRows(t, func(x *target) []any { return []any{&x.num, asJSON{&x.of}} }, `SELECT num, needs FROM targets WHERE account = ? AND region = ?`, scope.Account, scope.Region)
		if err != nil {
			return nil, err
		}
		condition, args := unprotected, []any{scope.Account, scope.Region, after}
		if targets = slices.DeleteFunc(targets, func(x target) bool { return fine(x.of.Destination) }); len(targets) > 0 {
			nums := make([]int64, len(targets))
			for n, x := range targets {
				nums[n] = x.num
			}
			condition, args = unprotected+` OR target IN (SELECT value FROM json_each(?))`, append(args, body(nums))
		}
		return allBodies[inventory.Row](t, liveThat(condition), append(args, limit)...)
	})
}

// unprotected is the condition of the index flow_logs_unprotected.
const unprotected = `target IS NULL`

// liveThat selects the next live rows of a scope, by ID, that meet a condition.
func liveThat(condition string) string {
	return `SELECT body FROM flow_logs WHERE account = ? AND region = ? AND id > ? AND state = 'live' AND (` + condition + `) ORDER BY id LIMIT ?`
}

// FirstRefreshed reports for each known scope whether it has had a complete refresh.
func (s snapshot) FirstRefreshed(ctx context.Context) (map[inventory.Scope]bool, error) {
	return viewed(ctx, s.file, func(t *Tx) (map[inventory.Scope]bool, error) {
		return rowsByKey(t, func(scope *inventory.Scope, had *bool) []any { return []any{&scope.Account, &scope.Region, had} },
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
