package store

import (
	"database/sql"
	"errors"
	"time"

	"flowkeeper/inventory"
	"flowkeeper/remediate/delivery"
)

func (t flowLogs) FlowLog(s inventory.Scope, id string) (inventory.Row, bool, error) {
	row, ok, err := one[inventory.Row](t, `SELECT body FROM flow_logs WHERE account = ? AND region = ? AND id = ?`, s.Account, s.Region, id)
	if err != nil || !ok || row.State != inventory.Live {
		return row, ok, err
	}
	var at sql.NullInt64
	err = t.one(&at, `SELECT refreshed_at FROM scopes WHERE account = ? AND region = ?`, s.Account, s.Region)
	if err != nil && !errors.Is(err, sql.ErrNoRows) {
		return row, false, err
	}
	if seen := time.UnixMilli(at.Int64); at.Valid && seen.After(row.LastSeenAt) {
		row.LastSeenAt = seen
	}
	return row, true, nil
}

func (t flowLogs) PutFlowLog(r inventory.Row) error {
	t.f.changes.Add(1)
	digest := r.Digest()
	if r.Imported {
		digest = [len(digest)]byte{} // a listing that shows the same is news all the same
	}
	var untold, needs, released any
	if r.Untold() {
		untold = 1
	}
	if r.Rehearsable() {
		n := delivery.TargetOf(r.FlowLog)
		needs, released = body(n), millis(r.ReleasedUntil)
		if err := dependencies(t).depend(r.Scope, n, body(n)); err != nil {
			return err
		}
	}
	return t.exec(`INSERT INTO flow_logs (account, region, id, root_id, resource_id, state, protected, written_at, gone_at, digest, untold, needs, released_until, body)
		VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
		ON CONFLICT (account, region, id) DO UPDATE SET root_id = excluded.root_id, resource_id = excluded.resource_id,
			state = excluded.state, protected = excluded.protected, written_at = excluded.written_at,
			gone_at = excluded.gone_at, digest = excluded.digest, untold = excluded.untold,
			needs = excluded.needs, released_until = excluded.released_until, body = excluded.body`,
		r.Scope.Account, r.Scope.Region, r.ID, r.RootID, r.ResourceID, r.State, r.Protected, r.WrittenAt.UnixMilli(), millis(r.GoneAt), digest[:], untold, needs, released, body(r))
}

func (t flowLogs) Untold(s inventory.Scope, limit int) ([]inventory.Row, error) {
	return each[inventory.Row](t, `SELECT body FROM flow_logs WHERE account = ? AND region = ? AND untold = 1 LIMIT ?`, s.Account, s.Region, limit)
}

func (t flowLogs) AnyFailing(s inventory.Scope) (any bool, err error) {
	err = t.one(&any, `SELECT EXISTS (SELECT 1 FROM flow_logs WHERE account = ? AND region = ? AND state = 'live' AND protected = 1 AND json_extract(body, '$.ToldFailing'))`,
		s.Account, s.Region)
	return any, err
}

func (t flowLogs) Names(s inventory.Scope, ids []string) (map[string]inventory.Row, error) {
	rows, err := each[inventory.Row](t, `SELECT body FROM flow_logs WHERE account = ? AND region = ? AND id IN (SELECT value FROM json_each(?))`, s.Account, s.Region, body(ids))
	out := make(map[string]inventory.Row, len(rows))
	for _, r := range rows {
		out[r.ID] = r
	}
	return out, err
}

func (t flowLogs) LiveWith(s inventory.Scope, of delivery.Target, limit int) ([]inventory.Row, error) {
	return each[inventory.Row](t, `SELECT body FROM flow_logs WHERE account = ? AND region = ? AND needs = ? ORDER BY num LIMIT ?`, s.Account, s.Region, body(of), limit)
}

func (t flowLogs) FirstRefreshed(s inventory.Scope) (ok bool, err error) {
	err = t.one(&ok, `SELECT EXISTS (SELECT 1 FROM scopes WHERE account = ? AND region = ? AND first_at IS NOT NULL)`, s.Account, s.Region)
	return ok, err
}
