package store

import (
	"time"

	"flowkeeper/alert"
	"flowkeeper/remediate/repeat"
)

func (t repeats) AddActorCall(d repeat.ActorCall) error {
	cost := t.charge(int64(3*(len(d.Principal)+len(d.EventID)+len(d.EventName)) + 128))
	return t.exec(`INSERT INTO deeds (principal, at, event_id, event_name, refused, flow_logs, cost) VALUES (?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING`,
		d.Principal, d.At.UnixMilli(), d.EventID, d.EventName, d.Refused, d.FlowLogs, cost)
}

func (t repeats) RecentCalls(principal string, from, to time.Time, but string) ([]alert.RecentCalls, error) {
	return all(t, func(c *alert.RecentCalls) []any { return []any{&c.EventName, &c.Calls, &c.Refused, &c.FlowLogs} },
		`SELECT event_name, count(*), sum(refused), sum(iif(refused, 0, flow_logs)) FROM
		(SELECT event_name, refused, flow_logs FROM deeds WHERE principal = ? AND at BETWEEN ? AND ? AND event_id <> ? LIMIT 10000) GROUP BY event_name ORDER BY event_name`,
		principal, from.UnixMilli(), to.UnixMilli(), but)
}
