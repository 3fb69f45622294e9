package store

import (
	"time"

	"flowkeeper/inventory"
	"flowkeeper/remediate/incident"
)

// incidents has the incidents and their history: tables incidents and history.
type incidents struct{ *tx }

func (t incidents) Incident(s inventory.Scope, id string) (incident.Incident, bool, error) {
	return firstBody[incident.Incident](t, `SELECT body FROM incidents WHERE account = ? AND region = ? AND id = ?`, s.Account, s.Region, id)
}

// maxUnknown is how many incidents of unknown flow logs are kept in a scope, plus those of one
// change: forged messages could cause more without end (I12).
const maxUnknown = 10000

func (t incidents) PutIncident(i incident.Incident) error {
	t.f.changes.Add(1)
	if !i.Known && !t.bounded {
		there, err := firstValue[bool](t, `SELECT EXISTS (SELECT 1 FROM incidents WHERE account = ? AND region = ? AND id = ?)`,
			i.Scope.Account, i.Scope.Region, i.FlowLogID)
		if err != nil {
			return err
		}
		if !there { // an incident that is there already adds none
			t.bounded = true // once a change, because counting takes long
			if err := t.dropUnknown(i.Scope); err != nil {
				return err
			}
		}
	}
	var terminalAt any
	if i.Terminal() {
		terminalAt = t.f.now().UnixMilli()
	}
	text, cost := body(i), int64(0)
	if !i.Known {
		cost = t.charge(rowBytes(len(text)) + 640 + maxUnknownHistory*rowBytes(len(body(i.Actor))+480))
	}
	// A line of values belongs to each line of columns.
	return t.exec(`INSERT OR REPLACE INTO incidents (
			account, region, id, root_id, resource_id,
			state, reason, known, event_id,
			detected_at, first_seen_at, restored_at,
			wait_until, next_at, settled_at,
			cost, tried, call_key, body)
		VALUES (?, ?, ?, ?, ?,  ?, ?, ?, ?,  ?, ?, ?,  ?, ?, ?,  ?, ?, ?, ?)`,
		i.Scope.Account, i.Scope.Region, i.FlowLogID, i.RootID, i.ResourceID,
		i.State, i.Reason, i.Known, i.EventID,
		i.DetectedAt.UnixMilli(), i.Seniority().UnixMilli(), millis(i.RestoredAt),
		millis(i.WaitUntil), t.dueBy(i.NextAttemptAt), terminalAt,
		cost, incident.PastTurns(i), i.CallKey(), text)
}

// dropUnknown drops incidents of unknown flow logs if there are too many, those that are not
// open first. It drops a tenth more than needed, because finding them takes long.
func (t incidents) dropUnknown(s inventory.Scope) error {
	n, err := firstValue[int](t, `SELECT count(*) FROM incidents WHERE known = 0 AND account = ? AND region = ?`, s.Account, s.Region)
	if err != nil || n <= maxUnknown {
		return err
	}
	const tooMany = ` AND account = ?1 AND region = ?2 AND id IN (SELECT id FROM incidents WHERE known = 0 AND account = ?1 AND region = ?2
		ORDER BY state = 'open', detected_at LIMIT ?3)`
	return t.execEach([]string{
		`DELETE FROM history WHERE 1` + tooMany,
		`DELETE FROM incidents WHERE known = 0` + tooMany,
	}, s.Account, s.Region, n-maxUnknown*9/10)
}

// maxHistory is how many lines of one incident are kept, the first and the last, and
// maxUnknownHistory those of one whose flow log is unknown: forged records may name it without
// end (I12).
const maxHistory, maxUnknownHistory = 200, 4

// AddHistory adds a line; known: the snapshot knew the flow log.
func (t incidents) AddHistory(s inventory.Scope, id string, e incident.Entry, known bool) error {
	most := maxHistory
	if !known {
		most = maxUnknownHistory
	}
	err := t.exec(`DELETE FROM history WHERE num = (SELECT num FROM history WHERE account = ?1 AND region = ?2 AND id = ?3 ORDER BY num LIMIT 1 OFFSET ?4)
		AND (SELECT count(*) FROM history WHERE account = ?1 AND region = ?2 AND id = ?3) >= ?5`, s.Account, s.Region, id, most/2, most)
	if err != nil {
		return err
	}
	return t.exec(`INSERT INTO history (account, region, id, event_id, body) VALUES (?, ?, ?, ?, ?)`, s.Account, s.Region, id, e.EventID, body(e))
}

func (t incidents) Unrecorded(s inventory.Scope, ids []string, eventID, claim string) (map[string]string, error) {
	return valuesByKey[string, string](t, unrecorded, s.Account, s.Region, body(ids), eventID, claim)
}

// unrecorded reads no body of a row: to unpack bodies would take longer than the rest of the query.
const unrecorded = `SELECT k.value, coalesce(f.resource_id, '') FROM json_each(?3) k
	LEFT JOIN flow_logs f ON f.account = ?1 AND f.region = ?2 AND f.id = k.value AND f.protected = 1
	WHERE NOT EXISTS (SELECT 1 FROM history h WHERE h.account = ?1 AND h.region = ?2 AND h.id = k.value AND h.event_id = ?4 AND json_extract(h.body, '$.Claim') = ?5)`

func (t incidents) Due(s inventory.Scope, now time.Time, turns incident.Turns) ([]incident.Incident, error) {
	due := incident.Due[any]{} // bodies
	err := t.rows(func(scan func(...any) error) error {
		var class incident.TurnClass
		var text any
		err := scan(&class, &text)
		due[class] = append(due[class], text)
		return err
	}, dueIncidents, s.Account, s.Region, now.UnixMilli(), now.Add(farthest).UnixMilli(),
		max(0, turns.Creates), max(0, turns.Retries, turns.Creates), max(0, turns.Tags), max(0, turns.Others))
	if err != nil {
		return nil, err
	}
	var out []incident.Incident
	for _, text := range due.Pick(turns) {
		out = append(out, incident.Incident{})
		if err := (asJSON{&out[len(out)-1]}).Scan(text); err != nil {
			return nil, t.failed("read", dueIncidents, []any{s.Account, s.Region}, err)
		}
	}
	return out, nil
}

func (t incidents) Sharing(s inventory.Scope, key string, now time.Time, limit int) ([]incident.Incident, error) {
	return allBodies[incident.Incident](t, sharing, s.Account, s.Region, key, now.UnixMilli(), limit)
}

// sharing selects the incidents that may share a call. (The sum: see dueOf.)
const sharing = `SELECT body FROM incidents WHERE account = ? AND region = ? AND call_key = ? AND (next_at <= ? OR call_key LIKE '` + incident.SentCalls + `%') ORDER BY id LIMIT 0 + ?`

// lacksTags is whether an incident waits for a CreateTags call.
const lacksTags = `call_key LIKE '` + incident.TagsCalls + `%'`

// dueIncidents selects the incidents that are due (by ?3, or after ?4), class by class. The classes are those of
// incident.TurnClassOf, each in the order of its turns and within its limit. (The plus: SQLite must search the due
// incidents, not all unknown ones.)
var dueIncidents = dueOf(incident.FirstTry, `known = 1 AND tried = 0 AND state = 'open'`, `first_seen_at, id`, `?5`) + `
	UNION ALL ` + dueOf(incident.TriedBefore, `known = 1 AND (tried > 0 AND state = 'open' OR state = 'blocked')`, `next_at, first_seen_at, id`, `?6`) + `
	UNION ALL ` + dueOf(incident.LackingTags, `known = 1 AND `+lacksTags, `next_at, first_seen_at, id`, `?7`) + `
	UNION ALL ` + dueOf(incident.NotPending, `known = 1 AND state NOT IN ('open', 'blocked') AND NOT `+lacksTags, `next_at, first_seen_at, id`, `?8`) + `
	UNION ALL ` + dueOf(incident.OfUnknown, `+known = 0`, `detected_at, id`, `?8`)

// dueOf selects one class of the due incidents. (The sum 0 + limit: SQLite would plan the query anew for each new
// value of a parameter that is the whole LIMIT.)
func dueOf(class incident.TurnClass, which, order, limit string) string {
	return `SELECT '` + string(class) + `', body FROM (SELECT body FROM incidents WHERE account = ?1 AND region = ?2 AND (next_at <= ?3 OR next_at > ?4) AND ` + which + ` ORDER BY ` + order + ` LIMIT 0 + ` + limit + `)`
}

func (t incidents) Blocked(s inventory.Scope, limit int) ([]string, error) {
	return allValues[string](t, `SELECT id FROM incidents WHERE account = ? AND region = ? AND state = 'blocked' LIMIT ?`, s.Account, s.Region, limit)
}

func (t incidents) Unrestored(s inventory.Scope) (int, error) {
	return firstValue[int](t, `SELECT count(*) FROM incidents WHERE account = ? AND region = ? AND state IN ('open', 'blocked')`, s.Account, s.Region)
}

func (t incidents) UnknownOpen(s inventory.Scope, limit int) ([]string, error) {
	return allValues[string](t, `SELECT id FROM incidents i WHERE account = ? AND region = ? AND known = 0
		AND (state = 'open' OR EXISTS (SELECT 1 FROM flow_logs f WHERE f.account = i.account AND f.region = i.region AND f.id = i.id
			AND NOT coalesce(json_extract(unpacked(f.body), '$.Imported'), 0)))
		ORDER BY state = 'open' LIMIT ?`,
		s.Account, s.Region, limit)
}
