package store

import (
	"maps"
	"slices"
	"time"

	"flowkeeper/alert"
	"flowkeeper/inventory"
	"flowkeeper/remediate/repeat"
)

// repeats has the bursts, and the calls that principals made: tables bursts and deeds.
type repeats struct{ *tx }

func (t repeats) Bursts(keys ...string) (map[string]repeat.Burst, error) {
	query, list := among(`SELECT key, body FROM bursts WHERE key IN (SELECT value FROM json_each(?1))`, `?1`, keys)
	return rowsByKey(t, func(key *string, b *repeat.Burst) []any { return []any{key, asJSON{b}} }, query, list)
}

func (t repeats) SaveBursts(written map[string]*repeat.Burst) error {
	for _, key := range slices.Sorted(maps.Keys(written)) {
		var err error
		if b := written[key]; b != nil {
			err = t.putBurst(*b)
		} else {
			err = t.exec(`DELETE FROM bursts WHERE key = ?`, key)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func (t repeats) putBurst(b repeat.Burst) error {
	return t.exec(`INSERT OR REPLACE INTO bursts (key, class, account, region, due_at, body) VALUES (?, ?, ?, ?, ?, ?)`,
		b.Key, b.Class, b.Scope.Account, b.Scope.Region, t.dueBy(b.DueAt), body(b))
}

func (t repeats) CountBursts(class repeat.Class) (int, error) {
	return firstValue[int](t, `SELECT count(*) FROM bursts WHERE class = ?`, class)
}

func (t repeats) DueBursts(s inventory.Scope, now, orphaned time.Time) (out []repeat.Burst, err error) {
	return allBodies[repeat.Burst](t, dueBursts, s.Account, s.Region, now.UnixMilli(), now.Add(farthest).UnixMilli(), orphaned.UnixMilli())
}

// dueBursts selects the bursts of a scope (?1, ?2) and those of no scope that are due (by ?3, or after ?4),
// and those of any other scope that were due by ?5.
const dueBursts = `SELECT body FROM (SELECT body FROM bursts WHERE account = ?1 AND region = ?2 AND (due_at <= ?3 OR due_at > ?4) ORDER BY due_at LIMIT 100)
	UNION ALL SELECT body FROM (SELECT body FROM bursts WHERE account = '' AND region = '' AND (due_at <= ?3 OR due_at > ?4) ORDER BY due_at LIMIT 100)
	UNION ALL SELECT body FROM bursts WHERE key IN (SELECT key FROM bursts INDEXED BY bursts_due WHERE due_at <= ?5 LIMIT 100)
		AND NOT (account = ?1 AND region = ?2) AND account <> ''`

func (t repeats) AddActorCall(d repeat.ActorCall) error {
	cost := t.charge(int64(3*(len(d.Principal)+len(d.EventID)+len(d.EventName)) + 128))
	return t.exec(`INSERT INTO deeds (principal, at, event_id, event_name, refused, flow_logs, cost) VALUES (?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING`,
		d.Principal, d.At.UnixMilli(), d.EventID, d.EventName, d.Refused, d.FlowLogs, cost)
}

func (t repeats) RecentCalls(principal string, from, to time.Time, but string) ([]alert.RecentCalls, error) {
	return allRows(t, func(c *alert.RecentCalls) []any { return []any{&c.EventName, &c.Calls, &c.Refused, &c.FlowLogs} },
		`SELECT event_name, count(*), sum(refused), sum(iif(refused, 0, flow_logs)) FROM
		(SELECT event_name, refused, flow_logs FROM deeds WHERE principal = ? AND at BETWEEN ? AND ? AND event_id <> ? LIMIT 10000) GROUP BY event_name ORDER BY event_name`,
		principal, from.UnixMilli(), to.UnixMilli(), but)
}
