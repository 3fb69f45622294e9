package store

import (
	"database/sql"
	"slices"
	"time"

	"flowkeeper/inventory"
	"flowkeeper/remediate/incident"
)

func (t events) Event(s inventory.Scope, id string) (incident.Event, bool, error) {
	return one[incident.Event](t, `SELECT body FROM events WHERE account = ? AND region = ? AND id = ?`, s.Account, s.Region, id)
}

func (t events) PutEvent(e incident.Event) error {
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

func (t events) EventIncidents(s inventory.Scope, eventID string, ever bool) ([]incident.Incident, error) {
	return each[incident.Incident](t, `SELECT body `+ofEvent+` ORDER BY id`, s.Account, s.Region, eventID, ever)
}

func (t events) EventOpen(s inventory.Scope, eventID string, now time.Time) (open bool, err error) {
	err = t.one(&open, `SELECT EXISTS (SELECT 1 FROM incidents WHERE account = ?1 AND region = ?2 AND event_id = ?3 AND state = 'open'
			AND (wait_until IS NULL OR wait_until <= ?4))
		OR EXISTS (SELECT 1 FROM history h CROSS JOIN incidents i ON i.account = h.account AND i.region = h.region AND i.id = h.id
			WHERE h.account = ?1 AND h.region = ?2 AND h.event_id = ?3 AND i.state = 'open' AND (i.wait_until IS NULL OR i.wait_until <= ?4))`, s.Account, s.Region, eventID, now.UnixMilli())
	return open, err
}

func (t events) EventStates(s inventory.Scope, eventID string, ever bool, now time.Time) (map[incident.State]int, error) {
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

func (t events) EventsOf(s inventory.Scope, ids ...string) ([]string, error) {
	// SQLite's own UNION takes twenty times as long as the two queries.
	events, err := t.words(`SELECT event_id FROM history WHERE account = ?1 AND region = ?2 AND id IN (SELECT value FROM json_each(?3)) AND event_id <> ''
		UNION ALL SELECT event_id FROM incidents WHERE account = ?1 AND region = ?2 AND id IN (SELECT value FROM json_each(?3))`, s.Account, s.Region, body(ids))
	slices.Sort(events)
	return slices.Compact(events), err
}

func (t events) DueEvents(s inventory.Scope, now time.Time) ([]incident.Event, error) {
	return each[incident.Event](t, `SELECT body FROM events WHERE account = ? AND region = ? AND (due_at <= ? OR due_at > ?) LIMIT 100`,
		s.Account, s.Region, now.UnixMilli(), now.Add(farthest).UnixMilli())
}

func (t events) DueScopes(now time.Time) (out []inventory.Scope, err error) {
	err = t.rows(func(scan func(...any) error) error {
		var s inventory.Scope
		err := scan(&s.Account, &s.Region)
		out = append(out, s)
		return err
	}, `SELECT DISTINCT account, region FROM events WHERE due_at IS NOT NULL AND (due_at <= ? OR due_at > ?)`, now.UnixMilli(), now.Add(farthest).UnixMilli())
	return out, err
}

func (t events) NextDue(s inventory.Scope) (time.Time, error) {
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
