package store

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"time"

	"flowkeeper/remediate/incident"

	"flowkeeper/alert"
	"flowkeeper/inventory"
	"flowkeeper/remediate/delivery"
)

// Tx is one transaction, read or write. It has a method for each question that a package
// asks of the file: each package declares those that it asks (rooms.go).
type Tx = tx

type tx struct {
	ctx     context.Context
	q       *sql.Tx
	s       *Store
	bounded bool // unknown incidents were counted

	bill                       *bill    // of the commit; nil: it only reads, or drops
	droppedRows, droppedUnsent int64    // by this transaction
	delivers                   []string // the sinks that it adds deliveries for, each as often
}

// exec runs a statement that returns no rows.
func (t *tx) exec(query string, args ...any) error {
	_, err := t.changed(query, args...)
	return err
}

// changed is exec, and how many rows it changed.
func (t *tx) changed(query string, args ...any) (n int64, err error) {
	res, err := t.q.ExecContext(t.ctx, query, args...)
	if err == nil {
		n, err = res.RowsAffected()
	}
	return n, t.failed("write", query, args, err)
}

// one reads one value.
func (t *tx) one(into any, query string, args ...any) error {
	return t.failed("read", query, args, t.q.QueryRowContext(t.ctx, query, args...).Scan(into))
}

// rows calls row for each row of a query, until it returns an error. errEnough ends
// it without one. scan reads the columns.
func (t *tx) rows(row func(scan func(columns ...any) error) error, query string, args ...any) error {
	rows, err := t.q.QueryContext(t.ctx, query, args...)
	if err == nil {
		defer rows.Close()
		for err == nil && rows.Next() {
			err = row(rows.Scan)
		}
		if err == nil {
			err = rows.Err()
		}
	}
	if errors.Is(err, errEnough) {
		err = nil
	}
	return t.failed("read", query, args, err)
}

// errEnough is returned by a row's function that needs no more of them.
var errEnough = errors.New("enough")

// failed says what could not be read or written. That there is no row is no failure.
func (t *tx) failed(doing, query string, args []any, err error) error {
	if err == nil || errors.Is(err, sql.ErrNoRows) {
		return err
	}
	return fmt.Errorf("%s %s in %s: %w", doing, subject(query, args), t.s.path, err)
}

var tableOf = regexp.MustCompile(`\b(?:FROM|INTO|UPDATE) ([a-z_]+)`)

// subject is what a query is about, for an error: its first table, and the first
// words that it is given, which are what names a row.
func subject(query string, args []any) string {
	about := "rows"
	if m := tableOf.FindStringSubmatch(query); m != nil {
		about = m[1]
	}
	for n, most := 0, 3; n < len(args) && most > 0; n++ {
		if word, ok := args[n].(string); ok && word != "" && len(word) <= 100 {
			about, most = about+" "+alert.Clean(word, 100), most-1
		}
	}
	return about
}

// decode reads a JSON body.
func decode(scan func(columns ...any) error, v any, before ...any) error {
	var body []byte
	if err := scan(append(before, &body)...); err != nil {
		return err
	}
	return json.Unmarshal(body, v)
}

// one decodes the JSON body that a query selects.
func one[T any](t *tx, query string, args ...any) (v T, ok bool, err error) {
	err = t.rows(func(scan func(...any) error) error {
		if err := decode(scan, &v); err != nil {
			return err
		}
		ok = true
		return errEnough
	}, query, args...)
	return v, ok, err
}

// each decodes every body that a query selects.
func each[T any](t *tx, query string, args ...any) (out []T, err error) {
	err = t.rows(func(scan func(...any) error) error {
		var v T
		err := decode(scan, &v)
		out = append(out, v)
		return err
	}, query, args...)
	return out, err
}

// words are the texts that a query selects.
func (t *tx) words(query string, args ...any) (out []string, err error) {
	err = t.rows(func(scan func(...any) error) error {
		var word string
		err := scan(&word)
		out = append(out, word)
		return err
	}, query, args...)
	return out, err
}

// body encodes a value; its fields are plain, so it can't fail.
func body(v any) string {
	b, err := json.Marshal(v)
	if err != nil {
		panic("store: not a plain value: " + err.Error())
	}
	return string(b)
}

// farthest is how far ahead an incident or event may be due: it is looked at
// again then at the latest. What seems due later than that was written before
// the clock went back, and is due now.
const farthest = 20 * time.Minute

// dueBy is when something is due at the latest; NULL for never.
func (t *tx) dueBy(at time.Time) any {
	if last := t.s.now().Add(farthest); at.After(last) {
		at = last
	}
	return millis(at)
}

// millis of a time; NULL for none.
func millis(t time.Time) any {
	if t.IsZero() {
		return nil
	}
	return t.UnixMilli()
}

func (t *tx) FlowLog(s inventory.Scope, id string) (inventory.Row, bool, error) {
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

func (t *tx) PutFlowLog(r inventory.Row) error {
	t.s.changes.Add(1)
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
		if err := t.depend(r.Scope, n, body(n)); err != nil {
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

func (t *tx) Untold(s inventory.Scope, limit int) ([]inventory.Row, error) {
	return each[inventory.Row](t, `SELECT body FROM flow_logs WHERE account = ? AND region = ? AND untold = 1 LIMIT ?`, s.Account, s.Region, limit)
}

func (t *tx) AnyFailing(s inventory.Scope) (any bool, err error) {
	err = t.one(&any, `SELECT EXISTS (SELECT 1 FROM flow_logs WHERE account = ? AND region = ? AND state = 'live' AND protected = 1 AND json_extract(body, '$.ToldFailing'))`,
		s.Account, s.Region)
	return any, err
}

// mostDestinations of a scope are remembered: whoever may make flow logs can make
// them deliver to prefixes without end. One beyond that counts as new each time.
const mostDestinations = 10_000

func (t *tx) NewDestination(s inventory.Scope, destination string, at time.Time) (bool, error) {
	var known, many bool
	if err := t.one(&known, `SELECT EXISTS (SELECT 1 FROM destinations WHERE account = ? AND region = ? AND destination = ?)`, s.Account, s.Region, destination); err != nil || known {
		return false, err
	}
	if err := t.one(&many, `SELECT count(*) >= ? FROM destinations WHERE account = ? AND region = ?`, mostDestinations, s.Account, s.Region); err != nil || many {
		return many, err
	}
	n, err := t.changed(`INSERT INTO destinations (account, region, destination, first_at) VALUES (?, ?, ?, ?) ON CONFLICT DO NOTHING`,
		s.Account, s.Region, destination, millis(at))
	return n > 0, err
}

func (t *tx) Incident(s inventory.Scope, id string) (incident.Incident, bool, error) {
	return one[incident.Incident](t, `SELECT body FROM incidents WHERE account = ? AND region = ? AND id = ?`, s.Account, s.Region, id)
}

// maxUnknown incidents of flow logs that nobody ever saw are kept a scope, and
// those of one change: forged messages could make more without end (I12).
const maxUnknown = 10000

func (t *tx) PutIncident(i incident.Incident) error {
	t.s.changes.Add(1)
	if !i.Known && !t.bounded {
		there := false // then it makes no more of them
		if err := t.one(&there, `SELECT EXISTS (SELECT 1 FROM incidents WHERE account = ? AND region = ? AND id = ?)`, i.Scope.Account, i.Scope.Region, i.FlowLogID); err != nil {
			return err
		}
		if !there {
			t.bounded = true // once a change: counting costs
			if err := t.dropUnknown(i.Scope); err != nil {
				return err
			}
		}
	}
	var settled any
	if i.Terminal() {
		settled = t.s.now().UnixMilli()
	}
	text, cost := body(i), int64(0)
	if !i.Known {
		cost = t.charge(rowBytes(len(text)) + 640 + maxUnknownHistory*rowBytes(len(body(i.Actor))+480))
	}
	return t.exec(`INSERT OR REPLACE INTO incidents
		(account, region, id, root_id, resource_id, state, reason, known, event_id, detected_at, first_seen_at, restored_at, wait_until, next_at, settled_at, cost, tried, body)
		VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
		i.Scope.Account, i.Scope.Region, i.FlowLogID, i.RootID, i.ResourceID, i.State, i.Reason, i.Known, i.EventID,
		i.DetectedAt.UnixMilli(), i.FirstSeenAt.UnixMilli(), millis(i.RestoredAt), millis(i.WaitUntil), t.dueBy(i.NextAttemptAt), settled, cost, i.Tried+i.Looks, text)
}

// dropUnknown forgets the incidents of unknown flow logs when they are too many, the
// settled ones first: a tenth more than needed, as finding them costs.
func (t *tx) dropUnknown(s inventory.Scope) error {
	n := 0
	if err := t.one(&n, `SELECT count(*) FROM incidents WHERE known = 0 AND account = ? AND region = ?`, s.Account, s.Region); err != nil || n <= maxUnknown {
		return err
	}
	const tooMany = ` AND account = ?1 AND region = ?2 AND id IN (SELECT id FROM incidents WHERE known = 0 AND account = ?1 AND region = ?2
		ORDER BY state = 'open', detected_at LIMIT ?3)`
	for _, q := range []string{`DELETE FROM history WHERE 1` + tooMany, `DELETE FROM incidents WHERE known = 0` + tooMany} {
		if err := t.exec(q, s.Account, s.Region, n-maxUnknown*9/10); err != nil {
			return err
		}
	}
	return nil
}

// maxHistory lines of one incident are kept, the first and the last, and
// maxUnknownHistory of one whose flow log nobody ever saw; forged records name it
// without end (I12).
const maxHistory, maxUnknownHistory = 200, 4

func (t *tx) AddHistory(s inventory.Scope, id string, e incident.Entry) error {
	var unknown bool
	if err := t.one(&unknown, `SELECT EXISTS (SELECT 1 FROM incidents WHERE account = ? AND region = ? AND id = ? AND known = 0)`, s.Account, s.Region, id); err != nil {
		return err
	}
	most := maxHistory
	if unknown {
		most = maxUnknownHistory
	}
	err := t.exec(`DELETE FROM history WHERE num = (SELECT num FROM history WHERE account = ?1 AND region = ?2 AND id = ?3 ORDER BY num LIMIT 1 OFFSET ?4)
		AND (SELECT count(*) FROM history WHERE account = ?1 AND region = ?2 AND id = ?3) >= ?5`, s.Account, s.Region, id, most/2, most)
	if err != nil {
		return err
	}
	return t.exec(`INSERT INTO history (account, region, id, event_id, body) VALUES (?, ?, ?, ?, ?)`, s.Account, s.Region, id, e.EventID, body(e))
}

func (t *tx) EventsOf(s inventory.Scope, ids ...string) ([]string, error) {
	// SQLite's own UNION takes twenty times as long as the two queries.
	events, err := t.words(`SELECT event_id FROM history WHERE account = ?1 AND region = ?2 AND id IN (SELECT value FROM json_each(?3)) AND event_id <> ''
		UNION ALL SELECT event_id FROM incidents WHERE account = ?1 AND region = ?2 AND id IN (SELECT value FROM json_each(?3))`, s.Account, s.Region, body(ids))
	slices.Sort(events)
	return slices.Compact(events), err
}

func (t *tx) Recorded(s inventory.Scope, id, eventID, claim string) (ok bool, err error) {
	err = t.one(&ok, `SELECT EXISTS (SELECT 1 FROM history WHERE account = ? AND region = ? AND id = ? AND event_id = ? AND json_extract(body, '$.Claim') = ?)`,
		s.Account, s.Region, id, eventID, claim)
	return ok, err
}

func (t *tx) Due(s inventory.Scope, now time.Time, limit, forRetries int) ([]incident.Incident, error) {
	due := func(which, order string, limit int) ([]incident.Incident, error) {
		if limit <= 0 {
			return nil, nil
		}
		return each[incident.Incident](t, dueQuery(which, order), s.Account, s.Region, now.UnixMilli(), now.Add(farthest).UnixMilli(), limit)
	}
	first, err := due(`known = 1 AND tried = 0 AND state = 'open'`, `first_seen_at, id`, limit)
	if err != nil {
		return nil, err
	}
	others, err := due(`known = 1 AND (tried > 0 OR state <> 'open')`, `next_at, first_seen_at, id`, max(forRetries, limit-len(first)))
	if err != nil {
		return nil, err
	}
	out := append(first[:min(len(first), limit-len(others))], others...)
	unknown, err := due(unknownDue, `detected_at, id`, limit-len(out))
	return append(out, unknown...), err
}

// unknownDue has a plus: SQLite is to begin with what is due, not with all unknown ones.
const unknownDue = `+known = 0`

// dueQuery selects what is due. (The sum: SQLite plans a query anew for each other
// LIMIT that it can read.)
func dueQuery(which, order string) string {
	return `SELECT body FROM incidents WHERE account = ? AND region = ? AND (next_at <= ? OR next_at > ?) AND ` + which + ` ORDER BY ` + order + ` LIMIT 0 + ?`
}

func (t *tx) DueScopes(now time.Time) (out []inventory.Scope, err error) {
	err = t.rows(func(scan func(...any) error) error {
		var s inventory.Scope
		err := scan(&s.Account, &s.Region)
		out = append(out, s)
		return err
	}, `SELECT DISTINCT account, region FROM events WHERE due_at IS NOT NULL AND (due_at <= ? OR due_at > ?)`, now.UnixMilli(), now.Add(farthest).UnixMilli())
	return out, err
}

func (t *tx) Blocked(s inventory.Scope, limit int) ([]string, error) {
	return t.words(`SELECT id FROM incidents WHERE account = ? AND region = ? AND state = 'blocked' LIMIT ?`, s.Account, s.Region, limit)
}

func (t *tx) Unrestored(s inventory.Scope) (n int, err error) {
	err = t.one(&n, `SELECT count(*) FROM incidents WHERE account = ? AND region = ? AND state IN ('open', 'blocked')`, s.Account, s.Region)
	return n, err
}

func (t *tx) UnknownOpen(s inventory.Scope, limit int) ([]string, error) {
	return t.words(`SELECT id FROM incidents i WHERE account = ? AND region = ? AND known = 0
		AND (state = 'open' OR EXISTS (SELECT 1 FROM flow_logs f WHERE f.account = i.account AND f.region = i.region AND f.id = i.id
			AND NOT coalesce(json_extract(f.body, '$.Imported'), 0))) LIMIT ?`,
		s.Account, s.Region, limit)
}

func (t *tx) Event(s inventory.Scope, id string) (incident.Event, bool, error) {
	return one[incident.Event](t, `SELECT body FROM events WHERE account = ? AND region = ? AND id = ?`, s.Account, s.Region, id)
}

func (t *tx) PutEvent(e incident.Event) error {
	text, cost := body(e), int64(0)
	if e.Unknown && !e.Rings() {
		cost = t.charge(rowBytes(len(text)) + 256)
	}
	return t.exec(`INSERT OR REPLACE INTO events (account, region, id, due_at, detected_at, campaign, over, cost, body) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)`,
		e.Scope.Account, e.Scope.Region, e.ID, t.dueBy(e.Due()), e.DetectedAt.UnixMilli(), e.CampaignID, !e.ToldClosed.IsZero(), cost, text)
}

// ofEvent are the incidents that an event opened, reopened or claimed; those
// that it ever named, where ?4.
const ofEvent = `FROM incidents WHERE account = ?1 AND region = ?2 AND id IN (
	SELECT id FROM incidents WHERE account = ?1 AND region = ?2 AND event_id = ?3
	UNION ALL SELECT id FROM history WHERE ?4 AND account = ?1 AND region = ?2 AND event_id = ?3)`

func (t *tx) EventIncidents(s inventory.Scope, eventID string, ever bool) ([]incident.Incident, error) {
	return each[incident.Incident](t, `SELECT body `+ofEvent+` ORDER BY id`, s.Account, s.Region, eventID, ever)
}

func (t *tx) EventOpen(s inventory.Scope, eventID string, now time.Time) (open bool, err error) {
	err = t.one(&open, `SELECT EXISTS (SELECT 1 FROM incidents WHERE account = ?1 AND region = ?2 AND event_id = ?3 AND state = 'open'
			AND (wait_until IS NULL OR wait_until <= ?4))
		OR EXISTS (SELECT 1 FROM history h CROSS JOIN incidents i ON i.account = h.account AND i.region = h.region AND i.id = h.id
			WHERE h.account = ?1 AND h.region = ?2 AND h.event_id = ?3 AND i.state = 'open' AND (i.wait_until IS NULL OR i.wait_until <= ?4))`, s.Account, s.Region, eventID, now.UnixMilli())
	return open, err
}

func (t *tx) EventStates(s inventory.Scope, eventID string, ever bool, now time.Time) (map[incident.State]int, error) {
	out := map[incident.State]int{}
	err := t.rows(func(scan func(...any) error) error {
		var state incident.State
		var n int
		err := scan(&state, &n)
		out[state] = n
		return err
	}, `SELECT CASE WHEN state = 'open' AND wait_until > ?5 THEN 'waiting' ELSE state END, count(*) `+ofEvent+` GROUP BY 1`,
		s.Account, s.Region, eventID, ever, now.UnixMilli())
	return out, err
}

func (t *tx) DueEvents(s inventory.Scope, now time.Time) ([]incident.Event, error) {
	return each[incident.Event](t, `SELECT body FROM events WHERE account = ? AND region = ? AND (due_at <= ? OR due_at > ?) LIMIT 100`,
		s.Account, s.Region, now.UnixMilli(), now.Add(farthest).UnixMilli())
}

func (t *tx) NextDue(s inventory.Scope) (time.Time, error) {
	var at sql.NullInt64
	err := t.one(&at, `SELECT min(at) FROM (SELECT min(next_at) AS at FROM incidents WHERE account = ?1 AND region = ?2 AND next_at IS NOT NULL
		UNION ALL SELECT min(due_at) FROM events WHERE account = ?1 AND region = ?2 AND due_at IS NOT NULL
		UNION ALL SELECT min(due_at) FROM bursts WHERE account = ?1 AND region = ?2
		UNION ALL SELECT min(due_at) FROM bursts WHERE account = '' AND region = '')`, s.Account, s.Region)
	if err != nil || !at.Valid {
		return time.Time{}, err
	}
	return time.UnixMilli(at.Int64), nil
}

func (t *tx) FirstRefreshed(s inventory.Scope) (ok bool, err error) {
	err = t.one(&ok, `SELECT EXISTS (SELECT 1 FROM scopes WHERE account = ? AND region = ? AND first_at IS NOT NULL)`, s.Account, s.Region)
	return ok, err
}
