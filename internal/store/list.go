package store

import (
	"context"
	"time"

	"flowkeeper/alert"
	"flowkeeper/alert/sink"
	"flowkeeper/remediate/incident"

	"flowkeeper/inventory"
)

// page is how many rows a list reads at once: lists of any length stay small
// in memory, and no query stays open while a row is used.
const page = 500

// FlowLogs lists the whole snapshot by account, Region and ID. A live row's
// LastSeenAt is the start of its scope's last complete refresh.
func (s lists) FlowLogs(ctx context.Context, yield func(inventory.Row) error) error {
	return s.FindFlowLogs(ctx, Filter{}, func(r inventory.Row, _ Fate) error { return yield(r) })
}

func lastSeen(r inventory.Row, refreshed map[inventory.Scope]time.Time) inventory.Row {
	if t, ok := refreshed[r.Scope]; ok && r.State == inventory.Live && t.After(r.LastSeenAt) {
		r.LastSeenAt = t
	}
	return r
}

// refreshed is the start of each scope's last complete refresh.
func (s lists) refreshed(ctx context.Context) (out map[inventory.Scope]time.Time, err error) {
	err = s.View(ctx, func(t *Tx) (err error) { out, err = t.refreshes(); return err })
	return out, err
}

// FindFlowLog finds a row by its ID alone, in whichever scope it is.
func (s lists) FindFlowLog(ctx context.Context, id string) (row inventory.Row, ok bool, err error) {
	refreshed, err := s.refreshed(ctx)
	if err != nil {
		return row, false, err
	}
	err = s.View(ctx, func(t *Tx) error {
		row, ok, err = one[inventory.Row](t, `SELECT body FROM flow_logs WHERE id = ?`, id)
		return err
	})
	return lastSeen(row, refreshed), ok, err
}

// FindIncident finds an incident by its flow log's ID alone, with its history.
func (s lists) FindIncident(ctx context.Context, id string) (i incident.Incident, h []incident.Entry, ok bool, err error) {
	err = s.View(ctx, func(t *Tx) error {
		if i, ok, err = one[incident.Incident](t, `SELECT body FROM incidents WHERE id = ?`, id); err != nil || !ok {
			return err
		}
		h, err = each[incident.Entry](t, `SELECT body FROM history WHERE account = ? AND region = ? AND id = ? ORDER BY num`, i.Scope.Account, i.Scope.Region, id)
		return err
	})
	return i, h, ok, err
}

// Fate is what became of a flow log: of its incident, where there is one.
type Fate struct {
	State  incident.State // empty: no incident
	Reason string
	NewID  string
}

// FindFlowLogs lists the rows of the snapshot that f chooses, each with its
// fate, by account, Region and ID.
func (s lists) FindFlowLogs(ctx context.Context, f Filter, yield func(inventory.Row, Fate) error) error {
	refreshed, err := s.refreshed(ctx)
	if err != nil {
		return err
	}
	type found struct {
		Row  inventory.Row
		Fate Fate
	}
	var at inventory.Row
	for n := 0; ; {
		var w where
		w.and(`(account, region, id) > (?, ?, ?)`, at.Scope.Account, at.Scope.Region, at.ID)
		w.in(`f.state`, f.States)
		w.in(`account`, f.Accounts)
		w.in(`region`, f.Regions)
		w.begins(`id`, f.Begins)
		if !f.Since.IsZero() {
			w.and(`max(unixepoch(json_extract(f.body, '$.FirstSeenAt')), coalesce(f.gone_at / 1000, 0)) >= ?`, f.Since.Unix())
		}
		size := f.left(n, page)
		var part []found
		err := s.View(ctx, func(t *Tx) (err error) {
			part, err = each[found](t, `SELECT json_object('Row', json(f.body), 'Fate', json_object('State', coalesce(i.state, ''), 'Reason', coalesce(i.reason, ''),
				'NewID', coalesce(json_extract(i.body, '$.NewID'), ''))) FROM flow_logs f LEFT JOIN incidents i USING (account, region, id)
				WHERE `+w.String()+` ORDER BY account, region, id LIMIT ?`, append(w.args, size)...)
			return err
		})
		if err != nil {
			return err
		}
		for _, x := range part {
			if err := yield(lastSeen(x.Row, refreshed), x.Fate); err != nil {
				return err
			}
			at = x.Row
		}
		if n += len(part); len(part) < size || n == f.Limit {
			return nil
		}
	}
}

// keysHeld is how many keys of incidents are sorted and held at once: there is
// no index by time, and sorting anew for each page would take long.
const keysHeld = 5000

// incidentKey is an incident's place in the list, and its key as JSON.
type incidentKey struct {
	At                  int64
	Account, Region, ID string
}

// FindIncidents lists the incidents that f chooses, the latest first.
func (s lists) FindIncidents(ctx context.Context, f Filter, yield func(incident.Incident) error) error {
	var w where
	w.and(`1`)
	w.in(`state`, f.States)
	w.in(`account`, f.Accounts)
	w.in(`region`, f.Regions)
	w.begins(`id`, f.Begins)
	if !f.Since.IsZero() {
		w.and(`detected_at >= ?`, f.Since.UnixMilli())
	}
	var last incidentKey
	for n := 0; ; {
		next := w
		if n > 0 {
			next.and(`detected_at < ? OR detected_at = ? AND (account, region, id) > (?, ?, ?)`, last.At, last.At, last.Account, last.Region, last.ID)
		}
		size := f.left(n, keysHeld)
		var keys []incidentKey
		err := s.View(ctx, func(t *Tx) (err error) {
			keys, err = each[incidentKey](t, `SELECT json_object('At', detected_at, 'Account', account, 'Region', region, 'ID', id) FROM incidents
				WHERE `+next.String()+` ORDER BY detected_at DESC, account, region, id LIMIT ?`, append(next.args, size)...)
			return err
		})
		if err != nil {
			return err
		}
		if err := s.incidents(ctx, keys, yield); err != nil {
			return err
		}
		if n += len(keys); len(keys) < size || n == f.Limit {
			return nil
		}
		last = keys[len(keys)-1]
	}
}

// incidents reads those of the keys, a page at a time, in their order.
func (s lists) incidents(ctx context.Context, keys []incidentKey, yield func(incident.Incident) error) error {
	for len(keys) > 0 {
		these := keys[:min(page, len(keys))]
		keys = keys[len(these):]
		var part []incident.Incident
		err := s.View(ctx, func(t *Tx) (err error) {
			part, err = each[incident.Incident](t, `SELECT i.body FROM json_each(?) k CROSS JOIN incidents i ON i.account = json_extract(k.value, '$.Account')
				AND i.region = json_extract(k.value, '$.Region') AND i.id = json_extract(k.value, '$.ID') ORDER BY k.key`, body(these))
			return err
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
	return nil
}

// States of an alert's way to one sink.
const (
	Pending = "pending"
	Sent    = "sent"
	GivenUp = "given_up"
)

// DeliveryState is how far an alert is on its way to one sink.
func DeliveryState(d sink.Delivery) string {
	switch {
	case !d.SentAt.IsZero():
		return Sent
	case !d.ParkedAt.IsZero():
		return GivenUp
	}
	return Pending
}

// deliveryState is DeliveryState in SQL.
const deliveryState = `CASE WHEN d.sent_at IS NOT NULL THEN '` + Sent + `' WHEN d.parked_at IS NOT NULL THEN '` + GivenUp + `' ELSE '` + Pending + `' END`

// sinks are the names that deliveries have, found by jumping from one to the
// next: deliveries are many, and their key begins with the sink.
const sinks = `WITH RECURSIVE sinks (sink) AS (SELECT min(sink) FROM deliveries
	UNION ALL SELECT (SELECT min(sink) FROM deliveries d WHERE d.sink > sinks.sink) FROM sinks WHERE sink IS NOT NULL) `

// FindAlerts lists the alerts that f chooses, the latest first, each with all
// its deliveries by the sinks' names.
func (s lists) FindAlerts(ctx context.Context, f Filter, yield func(alert.Alert, []sink.Delivery) error) error {
	var w where
	w.and(`1`)
	w.in(`json_extract(a.body, '$.account')`, f.Accounts)
	w.in(`json_extract(a.body, '$.region')`, f.Regions)
	w.begins(`a.id`, f.Begins)
	if !f.Since.IsZero() {
		w.and(`a.at >= ?`, f.Since.UnixMilli())
	}
	if len(f.States)+len(f.Sinks) > 0 || f.Failed {
		d := where{}
		d.and(`d.sink = sinks.sink AND d.alert = a.num`)
		d.in(deliveryState, f.States)
		d.in(`d.sink`, f.Sinks)
		if f.Failed {
			d.and(`d.sent_at IS NULL AND d.attempts > 0`)
		}
		w.and(`EXISTS (SELECT 1 FROM sinks CROSS JOIN deliveries d WHERE `+d.String()+`)`, d.args...)
	}
	last := int64(-1)
	for n := 0; ; {
		next := w
		if n > 0 {
			next.and(`a.num < ?`, last)
		}
		size := f.left(n, page)
		var part []told
		err := s.View(ctx, func(t *Tx) (err error) { part, err = t.told(next, size); return err })
		if err != nil {
			return err
		}
		for _, x := range part {
			if err := yield(x.alert, x.deliveries); err != nil {
				return err
			}
			last = x.num
		}
		if n += len(part); len(part) < size || n == f.Limit {
			return nil
		}
	}
}

// told is an alert of the outbox with its deliveries.
type told struct {
	num        int64
	alert      alert.Alert
	deliveries []sink.Delivery
}

func (t alerts) told(w where, limit int) (out []told, err error) {
	err = t.rows(func(scan func(...any) error) error {
		var x told
		err := decode(scan, &x.alert, &x.num)
		out = append(out, x)
		return err
	}, sinks+`SELECT a.num, a.body FROM alerts a WHERE `+w.String()+` ORDER BY a.num DESC LIMIT ?`, append(w.args, limit)...)
	if err != nil {
		return nil, err
	}
	for n := range out {
		// Each is found by its whole key: the sinks are few.
		if out[n].deliveries, err = t.deliveries(`d.alert = ? AND d.sink IN (`+sinks+`SELECT sink FROM sinks) ORDER BY d.sink`, out[n].num); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// Scopes are the accounts and Regions in which the file knows of flow logs or
// their deletion.
func (s lists) Scopes(ctx context.Context) ([]inventory.Scope, error) {
	return s.scopes(ctx, `SELECT account, region FROM scopes UNION SELECT account, region FROM flow_logs UNION SELECT account, region FROM incidents`)
}

// AlertScopes are those that alerts are about. An alert may be of an account as
// a whole, or of none.
func (s lists) AlertScopes(ctx context.Context) ([]inventory.Scope, error) {
	return s.scopes(ctx, `SELECT DISTINCT coalesce(json_extract(body, '$.account'), '') AS account, coalesce(json_extract(body, '$.region'), '') AS region FROM alerts`)
}

func (s lists) scopes(ctx context.Context, query string) (out []inventory.Scope, err error) {
	err = s.View(ctx, func(t *Tx) (err error) {
		out, err = each[inventory.Scope](t, `SELECT json_object('account', account, 'region', region) FROM (`+query+`) ORDER BY account, region`)
		return err
	})
	return out, err
}

// Watched are the resources that live flow logs are of, or the destinations
// that any ever had, that begin so: at most so many.
func (s lists) Watched(ctx context.Context, destinations bool, begins string, limit int) (out []string, err error) {
	from := `flow_logs WHERE state = 'live'`
	column := `resource_id`
	if destinations {
		from, column = `destinations WHERE 1`, `destination`
	}
	err = s.View(ctx, func(t *Tx) (err error) {
		out, err = each[string](t, `SELECT DISTINCT json_quote(`+column+`) FROM `+from+` AND substr(`+column+`, 1, length(?1)) = ?1 ORDER BY 1 LIMIT ?2`, begins, limit)
		return err
	})
	return out, err
}

// SinkNames are those of the sinks that alerts went to or are to go to.
func (s lists) SinkNames(ctx context.Context) (out []string, err error) {
	err = s.View(ctx, func(t *Tx) (err error) {
		out, err = each[string](t, sinks+`SELECT json_quote(sink) FROM sinks WHERE sink IS NOT NULL`)
		return err
	})
	return out, err
}
