package store

import (
	"context"
	"slices"
	"time"

	"flowkeeper/alert"
	"flowkeeper/alert/sink"
	"flowkeeper/inventory"
	"flowkeeper/remediate/incident"
)

// lists is the part of the store that commands read.
type lists struct{ *file }

// Fate says what became of a flow log, by its incident.
type Fate struct {
	State  incident.State // empty: no incident
	Reason incident.Reason
	NewID  string
}

// FlowLogs lists the whole snapshot by account, Region and ID. A live row's
// LastSeenAt is the start of its scope's last complete refresh.
func (s lists) FlowLogs(ctx context.Context, yield func(inventory.Row) error) error {
	return s.FindFlowLogs(ctx, Filter{}, func(r inventory.Row, _ Fate) error { return yield(r) })
}

// FindFlowLogs lists the rows of the snapshot that f chooses, each with its
// fate, by account, Region and ID.
func (s lists) FindFlowLogs(ctx context.Context, f Filter, yield func(inventory.Row, Fate) error) error {
	refreshed, err := viewed(ctx, s.file, func(t *Tx) (map[inventory.Scope]time.Time, error) { return t.flowLogs.refreshes() })
	if err != nil {
		return err
	}
	type found struct {
		row  inventory.Row
		fate Fate
	}
	w := f.where(fields{`f.state`, `account`, `region`, `f.resource_id`, `id`, `coalesce(max(unixepoch(json_extract(unpacked(f.body), '$.FirstSeenAt')), coalesce(f.gone_at / 1000, 0)) >= ? / 1000, 1)`})
	if f.Held {
		w.and(`f.held = 1 AND f.state = 'live'`)
	}
	parts := pages(ctx, s.file, f.Limit, page, func(t *Tx, last *found, size int) ([]found, error) {
		next := w
		if last != nil {
			next.and(`(account, region, id) > (?, ?, ?)`, last.row.Scope.Account, last.row.Scope.Region, last.row.ID)
		}
		return allRows(t, func(x *found) []any { return []any{asJSON{&x.row}, &x.fate.State, &x.fate.Reason, &x.fate.NewID} },
			`SELECT f.body, coalesce(i.state, ''), coalesce(i.reason, ''), coalesce(json_extract(i.body, '$.NewID'), '')
				FROM flow_logs f LEFT JOIN incidents i USING (account, region, id)
				WHERE `+next.String()+` ORDER BY account, region, id LIMIT ?`, append(next.args, size)...)
	})
	for part, err := range parts {
		if err != nil {
			return err
		}
		for _, x := range part {
			if err := yield(x.row.ListedBy(refreshed[x.row.Scope]), x.fate); err != nil {
				return err
			}
		}
	}
	return nil
}

// FindFlowLog finds a row by its ID alone, in any scope.
func (s lists) FindFlowLog(ctx context.Context, id string) (row inventory.Row, ok bool, err error) {
	err = s.View(ctx, func(t *Tx) (err error) { row, ok, err = t.flowLogs.find(`id = ?`, id); return err })
	return row, ok, err
}

// keysHeld is how many keys of incidents are sorted at once and held in memory: there
// is no index by time, and sorting again for each page would take long.
const keysHeld = 5000

// incidentKey is an incident's place in the list, and its key as JSON.
type incidentKey struct {
	At                  int64
	Account, Region, ID string
}

// FindIncidents lists the incidents that f chooses, the latest first.
func (s lists) FindIncidents(ctx context.Context, f Filter, yield func(incident.Incident) error) error {
	w := f.where(fields{`state`, `account`, `region`, `resource_id`, `id`, `detected_at >= ?`})
	parts := pages(ctx, s.file, f.Limit, keysHeld, func(t *Tx, last *incidentKey, size int) ([]incidentKey, error) {
		next := w
		if last != nil {
			next.and(`detected_at < ? OR detected_at = ? AND (account, region, id) > (?, ?, ?)`, last.At, last.At, last.Account, last.Region, last.ID)
		}
		return allRows(t, func(k *incidentKey) []any { return []any{&k.At, &k.Account, &k.Region, &k.ID} },
			`SELECT detected_at, account, region, id FROM incidents WHERE `+next.String()+` ORDER BY detected_at DESC, account, region, id LIMIT ?`, append(next.args, size)...)
	})
	for keys, err := range parts {
		if err != nil {
			return err
		}
		for these := range slices.Chunk(keys, page) {
			part, err := viewed(ctx, s.file, func(t *Tx) ([]incident.Incident, error) {
				return allBodies[incident.Incident](t, `SELECT i.body FROM json_each(?) k CROSS JOIN incidents i ON i.account = json_extract(k.value, '$.Account')
					AND i.region = json_extract(k.value, '$.Region') AND i.id = json_extract(k.value, '$.ID') ORDER BY k.key`, body(these))
			})
			if err != nil {
				return err
			}
			for _, i := range part {
				if err := yield(i); err != nil {
					return err
				}
			}
		}
	}
	return nil
}

// FindIncident finds an incident by its flow log's ID alone, with its history.
func (s lists) FindIncident(ctx context.Context, id string) (i incident.Incident, h []incident.Entry, ok bool, err error) {
	err = s.View(ctx, func(t *Tx) error {
		if i, ok, err = firstBody[incident.Incident](t, `SELECT body FROM incidents WHERE id = ?`, id); err != nil || !ok {
			return err
		}
		h, err = allBodies[incident.Entry](t, `SELECT body FROM history WHERE account = ? AND region = ? AND id = ? ORDER BY num`, i.Scope.Account, i.Scope.Region, id)
		return err
	})
	return i, h, ok, err
}

// deliveryState is a delivery's State in SQL.
const deliveryState = `CASE WHEN d.sent_at IS NOT NULL THEN '` + sink.Sent + `' WHEN d.parked_at IS NOT NULL THEN '` + sink.GivenUp + `' ELSE '` + sink.Pending + `' END`

// sinks selects the names of the sinks that have deliveries. It jumps from one name to the
// next in the primary key, which begins with the sink: there are many deliveries.
const sinks = `WITH RECURSIVE sinks (sink) AS (SELECT min(sink) FROM deliveries
	UNION ALL SELECT (SELECT min(sink) FROM deliveries d WHERE d.sink > sinks.sink) FROM sinks WHERE sink IS NOT NULL) `

// FindAlerts lists the alerts that f chooses, the latest first, each with all
// its deliveries by the sinks' names.
func (s lists) FindAlerts(ctx context.Context, f Filter, yield func(alert.Alert, []sink.Delivery) error) error {
	type found struct {
		num        int64
		alert      alert.Alert
		deliveries []sink.Delivery
	}
	w := f.where(fields{account: `json_extract(a.body, '$.account')`, region: `json_extract(a.body, '$.region')`, id: `a.id`, since: `a.at >= ?`})
	if len(f.Resources) > 0 {
		const of = `EXISTS (SELECT 1 FROM json_each(a.body, ?) x WHERE x.value ->> 'resource_id' IN (SELECT value FROM json_each(?)))`
		ids := body(f.Resources)
		w.and(of+` OR `+of, `$.flow_logs`, ids, `$.failed_flow_logs`, ids)
	}
	if len(f.States)+len(f.Sinks) > 0 || f.Failed {
		var d where
		d.and(`d.sink = sinks.sink AND d.alert = a.num`)
		d.in(deliveryState, f.States)
		d.in(`d.sink`, f.Sinks)
		if f.Failed {
			d.and(`d.sent_at IS NULL AND d.attempts > 0`)
		}
		w.and(`EXISTS (SELECT 1 FROM sinks CROSS JOIN deliveries d WHERE `+d.String()+`)`, d.args...)
	}
	parts := pages(ctx, s.file, f.Limit, page, func(t *Tx, last *found, size int) ([]found, error) {
		next := w
		if last != nil {
			next.and(`a.num < ?`, last.num)
		}
		part, err := allRows(t, func(x *found) []any { return []any{&x.num, asJSON{&x.alert}} },
			sinks+`SELECT a.num, a.body FROM alerts a WHERE `+next.String()+` ORDER BY a.num DESC LIMIT ?`, append(next.args, size)...)
		for n := 0; n < len(part) && err == nil; n++ {
			// The few names of sinks let SQLite find each delivery by its whole key.
			part[n].deliveries, err = t.deliveries(`deliveries d JOIN alerts a ON a.num = d.alert
				WHERE d.alert = ? AND d.sink IN (`+sinks+`SELECT sink FROM sinks) ORDER BY d.sink`, part[n].num)
		}
		return part, err
	})
	for part, err := range parts {
		if err != nil {
			return err
		}
		for _, x := range part {
			if err := yield(x.alert, x.deliveries); err != nil {
				return err
			}
		}
	}
	return nil
}

// Scopes are the accounts and Regions in which the file knows of flow logs or
// their deletion.
func (s lists) Scopes(ctx context.Context) ([]inventory.Scope, error) {
	return s.scopes(ctx, `SELECT account, region FROM scopes UNION SELECT account, region FROM flow_logs UNION SELECT account, region FROM incidents`)
}

// AlertScopes are the scopes that alerts are about. An alert about a whole account has no
// Region; one that is about no account has neither.
func (s lists) AlertScopes(ctx context.Context) ([]inventory.Scope, error) {
	return s.scopes(ctx, `SELECT DISTINCT coalesce(json_extract(body, '$.account'), '') AS account, coalesce(json_extract(body, '$.region'), '') AS region FROM alerts`)
}

func (s lists) scopes(ctx context.Context, query string) ([]inventory.Scope, error) {
	return viewed(ctx, s.file, func(t *Tx) ([]inventory.Scope, error) {
		return scopesOf(t, `SELECT account, region FROM (`+query+`) ORDER BY account, region`)
	})
}

// Words is a kind of names in the state file that people type, and that shells complete.
type Words struct{ column, from string }

// The kinds of names.
var (
	FlowLogIDs        = Words{`id`, `flow_logs WHERE 1`}
	IncidentIDs       = Words{`id`, `incidents WHERE 1`}
	Resources         = Words{`resource_id`, `flow_logs WHERE 1`} // of flow logs
	LiveResources     = Words{`resource_id`, `flow_logs WHERE state = 'live'`}
	LostResources     = Words{`resource_id`, `incidents WHERE state IN ('open', 'blocked')`}
	IncidentResources = Words{`resource_id`, `incidents WHERE resource_id <> ''`}
	ResourceNames     = Words{`name`, `name_tags WHERE 1`}
	Destinations      = Words{`destination`, `destinations WHERE 1`} // of any flow log ever
)

// Words returns the names of a kind that begin with begins, in order, at most limit.
func (s lists) Words(ctx context.Context, w Words, begins string, limit int) ([]string, error) {
	return s.words(ctx, `SELECT DISTINCT `+w.column+` FROM `+w.from+` AND substr(`+w.column+`, 1, length(?1)) = ?1 ORDER BY 1 LIMIT ?2`, begins, limit)
}

// SinkNames are the names of the sinks that alerts went to, or wait for.
func (s lists) SinkNames(ctx context.Context) ([]string, error) {
	return s.words(ctx, sinks+`SELECT sink FROM sinks WHERE sink IS NOT NULL`)
}

func (s lists) words(ctx context.Context, query string, args ...any) ([]string, error) {
	return viewed(ctx, s.file, func(t *Tx) ([]string, error) { return allValues[string](t, query, args...) })
}
