package store

import (
	"slices"
	"time"

	"flowkeeper/inventory"
	"flowkeeper/remediate"
	"flowkeeper/remediate/incident"
	"flowkeeper/remediate/notify"
)

// events has the table of that name. The columns say which event a row is about, and not its body: the
// body of a forged copy may name another one.
type events struct{ *tx }

func (t events) Event(s inventory.Scope, id string) (incident.Event, bool, error) {
	e, ok, err := firstBody[incident.Event](t, `SELECT body FROM events WHERE account = ? AND region = ? AND id = ?`, s.Account, s.Region, id)
	if ok {
		e.Scope, e.ID = s, id
	}
	return e, ok, err
}

func (t events) PutEvent(e incident.Event) error {
	text, cost := body(e), int64(0)
	if e.Droppable() {
		cost = t.charge(rowBytes(len(text)) + 256)
	}
	return t.exec(`INSERT OR REPLACE INTO events (account, region, id, due_at, detected_at, campaign, over, cost, body)
		VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)`,
		e.Scope.Account, e.Scope.Region, e.ID, t.dueBy(e.Due()), e.DetectedAt.UnixMilli(), e.CampaignID, !e.ClosedAlertedAt.IsZero(), cost, text)
}

// ofEvent selects from the incidents that an event opened, reopened or claimed, and,
// if ?4 is set, from all that it ever named.
const ofEvent = `FROM incidents WHERE account = ?1 AND region = ?2 AND id IN (
	SELECT id FROM incidents WHERE account = ?1 AND region = ?2 AND event_id = ?3
	UNION ALL SELECT id FROM history WHERE ?4 AND account = ?1 AND region = ?2 AND event_id = ?3)`

func (t events) EventIncidents(s inventory.Scope, eventID string, ever bool) ([]incident.Incident, error) {
	return allBodies[incident.Incident](t, `SELECT body `+ofEvent+` ORDER BY id`, s.Account, s.Region, eventID, ever)
}

// isWaiting is the condition that an incident counts as notify.Waiting. The current time, in milliseconds, must
// follow it. Package notify has the same rule in Go, also by the name isWaiting.
const isWaiting = `state = 'open' AND coalesce(wait_until, 0) > `

const eventOpen = `SELECT EXISTS (SELECT 1 FROM incidents WHERE account = ?1 AND region = ?2 AND event_id = ?3 AND state = 'open' AND NOT (` + isWaiting + `?4))
	OR EXISTS (SELECT 1 FROM history h CROSS JOIN incidents i ON i.account = h.account AND i.region = h.region AND i.id = h.id
		WHERE h.account = ?1 AND h.region = ?2 AND h.event_id = ?3 AND state = 'open' AND NOT (` + isWaiting + `?4))`

func (t events) EventOpen(s inventory.Scope, eventID string, now time.Time) (bool, error) {
	return firstValue[bool](t, eventOpen, s.Account, s.Region, eventID, now.UnixMilli())
}

func (t events) EventStates(s inventory.Scope, eventID string, ever bool, now time.Time) (map[incident.State]int, error) {
	return valuesByKey[incident.State, int](t, `SELECT CASE WHEN `+isWaiting+`?5 THEN '`+string(notify.Waiting)+`' ELSE state END, count(*) `+ofEvent+` GROUP BY 1`,
		s.Account, s.Region, eventID, ever, now.UnixMilli())
}

func (t events) EventsOf(s inventory.Scope, ids ...string) ([]string, error) {
	// SQLite's own UNION takes twenty times as long as the two queries.
	query, list := among(`SELECT event_id FROM history WHERE account = ?1 AND region = ?2 AND id IN (SELECT value FROM json_each(?3)) AND event_id <> ''
		UNION ALL SELECT event_id FROM incidents WHERE account = ?1 AND region = ?2 AND id IN (SELECT value FROM json_each(?3))`, `?3`, ids)
	events, err := allValues[string](t, query, s.Account, s.Region, list)
	slices.Sort(events)
	return slices.Compact(events), err
}

func (t events) DueEvents(s inventory.Scope, now time.Time) ([]incident.Event, error) {
	return allRows(t, func(e *incident.Event) []any { return []any{asJSON{e}, &e.Scope.Account, &e.Scope.Region, &e.ID} },
		`SELECT body, account, region, id FROM events WHERE account = ? AND region = ? AND (due_at <= ? OR due_at > ?) LIMIT 100`, s.Account, s.Region, now.UnixMilli(), now.Add(farthest).UnixMilli())
}

func (t events) DueScopes(now time.Time) ([]inventory.Scope, error) {
	return scopesOf(t, `SELECT DISTINCT account, region FROM events WHERE due_at IS NOT NULL AND (due_at <= ? OR due_at > ?)`, now.UnixMilli(), now.Add(farthest).UnixMilli())
}

func (t events) NextDue(s inventory.Scope) (next remediate.Upcoming, err error) {
	_, err = firstRow(t, []any{&next.Own, &next.Unscoped, &next.First}, `SELECT (SELECT min(at) FROM (
			SELECT min(next_at) AS at FROM incidents WHERE account = ?1 AND region = ?2 AND next_at IS NOT NULL
			UNION ALL SELECT min(due_at) FROM events WHERE account = ?1 AND region = ?2 AND due_at IS NOT NULL
			UNION ALL SELECT min(due_at) FROM bursts WHERE account = ?1 AND region = ?2)),
		(SELECT min(due_at) FROM bursts WHERE account = '' AND region = ''),
		coalesce((?1, ?2) = (SELECT account, region FROM scopes ORDER BY account, region LIMIT 1), 0)`, s.Account, s.Region)
	next.Now = t.f.now()
	next.Latest = next.Now.Add(farthest)
	return next, err
}
