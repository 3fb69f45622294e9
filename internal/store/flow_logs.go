package store

import (
	"time"

	"flowkeeper/inventory"
	"flowkeeper/remediate/delivery"
	"flowkeeper/remediate/incident"
)

// flowLogs has the rows of the snapshot, and when scopes were refreshed: tables
// flow_logs, targets and scopes.
type flowLogs struct{ *tx }

// FlowLog finds a row. A live row's LastSeenAt is the start of its scope's last complete
// refresh.
func (t flowLogs) FlowLog(s inventory.Scope, id string) (inventory.Row, bool, error) {
	return t.find(`account = ? AND region = ? AND id = ?`, s.Account, s.Region, id)
}

func (t flowLogs) find(where string, args ...any) (inventory.Row, bool, error) {
	row, ok, err := firstBody[inventory.Row](t, `SELECT body FROM flow_logs WHERE `+where, args...)
	if err != nil || !ok {
		return row, ok, err
	}
	var refreshed time.Time
	_, err = firstRow(t, []any{&refreshed}, `SELECT refreshed_at FROM scopes WHERE account = ? AND region = ?`, row.Scope.Account, row.Scope.Region)
	return row.ListedBy(refreshed), true, err
}

// numbered is a row with its number in the table.
type numbered struct {
	num int64
	row inventory.Row
}

// after is a page of the rows after a number. Scope and ID are those of the columns, by which a row is found,
// and not those of its body.
func (t flowLogs) after(num int64) ([]numbered, error) {
	return allRows(t, func(x *numbered) []any {
		return []any{&x.num, asJSON{&x.row}, &x.row.Scope.Account, &x.row.Scope.Region, &x.row.ID}
	}, `SELECT num, body, account, region, id FROM flow_logs WHERE num > ? ORDER BY num LIMIT ?`, num, page)
}

// PutFlowLog writes a row: implements [remediate.NewsTx].
func (t *Tx) PutFlowLog(r inventory.Row) error {
	t.f.changes.Add(1)
	digest := r.Digest()
	if r.Imported {
		digest = [len(digest)]byte{} // a listing that shows the flow log counts as a change, even with the same settings
	}
	var target, released any
	if r.Rehearsable() {
		of := delivery.TargetOf(r.FlowLog)
		num, err := t.targetNumber(r.Scope, body(of))
		if err == nil {
			err = t.addDependencies(r.Scope, of, body(of))
		}
		if err != nil {
			return err
		}
		target, released = num, millis(r.ReleasedUntil)
	}
	// A line of values belongs to each line of columns.
	return t.exec(`INSERT INTO flow_logs (
			account, region, id, root_id, resource_id,
			state, protected, written_at, gone_at, digest,
			untold, target, released_until,
			held, failing, decoy, body)
		VALUES (?, ?, ?, ?, ?,  ?, ?, ?, ?, ?,  nullif(?, 0), ?, ?,  nullif(?, 0), nullif(?, 0), ?, ?)
		ON CONFLICT (account, region, id) DO UPDATE SET root_id = excluded.root_id, resource_id = excluded.resource_id,
			state = excluded.state, protected = excluded.protected, written_at = excluded.written_at,
			gone_at = excluded.gone_at, digest = excluded.digest, untold = excluded.untold,
			target = excluded.target, released_until = excluded.released_until, held = excluded.held,
			failing = excluded.failing, decoy = excluded.decoy, body = excluded.body`,
		r.Scope.Account, r.Scope.Region, r.ID, r.RootID, r.ResourceID,
		r.State, r.Protected, r.WrittenAt.UnixMilli(), millis(r.GoneAt), digest[:],
		r.OwesNews(), target, released,
		r.Held, r.OwesDeliveryEnd(), decoyDue(r), pack(body(r)))
}

// decoyDue is when the notice of a decoy is due: 0 if the decoy owes none, nil if the flow log is
// no decoy.
func decoyDue(r inventory.Row) any {
	switch {
	case r.DecoyNotice != nil:
		return r.DecoyNotice.Due.UnixMilli()
	case r.LiveDecoy():
		return 0
	}
	return nil
}

// targetNumber is the number of a delivery target in a scope. It stores a new target.
func (t flowLogs) targetNumber(s inventory.Scope, needs string) (int64, error) {
	num, err := firstValue[int64](t, `SELECT num FROM targets WHERE account = ? AND region = ? AND needs = ?`, s.Account, s.Region, needs)
	if err != nil || num > 0 {
		return num, err
	}
	return firstValue[int64](t, `INSERT INTO targets (account, region, needs) VALUES (?, ?, ?) RETURNING num`, s.Account, s.Region, needs)
}

// rowsWithNews selects the rows that owe an alert at once (untold), and those whose notice of a decoy is due.
const rowsWithNews = `SELECT body FROM flow_logs WHERE num IN (
	SELECT num FROM flow_logs WHERE account = ?1 AND region = ?2 AND untold = 1
	UNION SELECT num FROM flow_logs WHERE account = ?1 AND region = ?2 AND decoy > 0 AND (decoy <= ?3 OR decoy > ?4)) LIMIT ?5`

func (t flowLogs) RowsWithNews(s inventory.Scope, now time.Time, limit int) ([]inventory.Row, error) {
	return allBodies[inventory.Row](t, rowsWithNews, s.Account, s.Region, now.UnixMilli(), now.Add(incident.FarthestNotice).UnixMilli(), limit)
}

func (t flowLogs) Decoys(s inventory.Scope, after string, limit int) ([]string, error) {
	return allValues[string](t, decoysOf, s.Account, s.Region, after, limit)
}

// decoysOf selects the live decoys of a scope. (The pluses keep SQLite from using an index of all live rows.)
const decoysOf = `SELECT id FROM flow_logs WHERE account = ? AND region = ? AND decoy IS NOT NULL AND +state = 'live' AND +id > ? ORDER BY +id LIMIT ?`

func (t flowLogs) AnyFailing(s inventory.Scope) (bool, error) {
	return firstValue[bool](t, `SELECT EXISTS (SELECT 1 FROM flow_logs WHERE account = ? AND region = ? AND failing = 1)`, s.Account, s.Region)
}

func (t flowLogs) LiveWith(s inventory.Scope, of delivery.Target, limit int) ([]inventory.Row, error) {
	return allBodies[inventory.Row](t, `SELECT f.body FROM targets t CROSS JOIN flow_logs f ON f.target = t.num
		WHERE t.account = ? AND t.region = ? AND t.needs = ? ORDER BY f.num LIMIT ?`, s.Account, s.Region, body(of), limit)
}

// refreshes are the starts of the last complete refreshes.
func (t flowLogs) refreshes() (map[inventory.Scope]time.Time, error) {
	return rowsByKey(t, func(s *inventory.Scope, at *time.Time) []any { return []any{&s.Account, &s.Region, at} },
		`SELECT account, region, refreshed_at FROM scopes WHERE refreshed_at IS NOT NULL`)
}
