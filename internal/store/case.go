package store

import (
	"maps"
	"slices"
	"time"

	"flowkeeper/inventory"
	"flowkeeper/remediate/incident"
)

// cases loads cases, from several tables.
type cases struct{ *tx }

// Case loads what decisions about some flow logs depend on. After an error it has what was read before that.
func (t cases) Case(s inventory.Scope, of incident.Selection, now time.Time) (*incident.Case, error) {
	c := &incident.Case{Scope: s, Now: now}
	_, err := firstRow(t, []any{&c.RefreshedAt, &c.FirstRefreshAt, &c.Stale, &c.Holds},
		`SELECT refreshed_at, first_at, coalesce(stale, 0) = 1, coalesce(holds, 0) = 1 FROM scopes WHERE account = ? AND region = ?`, s.Account, s.Region)
	c.Complete = !c.FirstRefreshAt.IsZero()
	if err == nil && !c.Holds {
		c.AccountSince, err = firstValue[time.Time](t.tx, accountSince, s.Account, s.Region)
	}
	if err != nil {
		return nil, err
	}
	l := loader{t: t.tx, s: s, c: c, resources: map[string]bool{}, roots: map[string]bool{}}
	for _, id := range of.Resources {
		l.resources[id] = true
	}
	if err := l.flowLogs(of.IDs); err != nil {
		return c, err
	}
	return c, l.around()
}

// accountSince asks when the first refresh ended in any other Region of the account. Only Regions with a complete
// refresh since the state file was made or adopted (holds) count.
const accountSince = `SELECT min(first_at) FROM scopes WHERE account = ? AND region <> ? AND holds = 1`

// Queries that load a case. Their columns are: 'row' or 'incident', the ID, the body.
const (
	byIDs = `SELECT 'row', id, body FROM flow_logs WHERE account = ?1 AND region = ?2 AND id IN (SELECT value FROM json_each(?3))
		UNION ALL SELECT 'incident', id, body FROM incidents WHERE account = ?1 AND region = ?2 AND id IN (SELECT value FROM json_each(?3))`

	// around selects, of some resources (?3), the live rows, the incidents that are to be restored with
	// their rows, and the released ones that a record may still reopen. Of some lineages (?4) it
	// selects the incidents that were restored after a time (?5).
	around = `SELECT 'row', id, body FROM flow_logs WHERE account = ?1 AND region = ?2 AND resource_id IN (SELECT value FROM json_each(?3)) AND state = 'live'
		UNION ALL SELECT 'incident', id, body FROM incidents WHERE account = ?1 AND region = ?2 AND resource_id IN (SELECT value FROM json_each(?3))
			AND (state IN ('open', 'blocked') OR state = 'closed' AND reason = 'released' AND next_at IS NOT NULL)
		UNION ALL SELECT 'row', f.id, f.body FROM incidents i CROSS JOIN flow_logs f ON f.account = i.account AND f.region = i.region AND f.id = i.id
			WHERE i.account = ?1 AND i.region = ?2 AND i.resource_id IN (SELECT value FROM json_each(?3)) AND i.state IN ('open', 'blocked')
		UNION ALL SELECT 'incident', id, body FROM incidents WHERE account = ?1 AND region = ?2 AND root_id IN (SELECT value FROM json_each(?4)) AND restored_at > ?5`
)

// loader fills a case.
type loader struct {
	t *tx
	s inventory.Scope
	c *incident.Case

	resources, roots map[string]bool // of the flow logs
}

// flowLogs loads rows and incidents by ID, and those of the chains of replacements that begin there.
func (l *loader) flowLogs(ids []string) error {
	asked := map[string]bool{}
	for depth := 0; len(ids) > 0 && depth < incident.MaxLineage; depth++ {
		for _, id := range ids {
			asked[id] = true
		}
		query, list := among(byIDs, `?3`, ids)
		rows, incidents, err := l.load(query, list)
		if err != nil {
			return err
		}
		ids = nil
		for _, r := range rows {
			l.resources[r.ResourceID], l.roots[r.RootID] = true, true
		}
		for _, i := range incidents {
			l.resources[i.ResourceID], l.roots[i.RootID] = true, true
			if i.NewID != "" && !asked[i.NewID] {
				ids = append(ids, i.NewID)
			}
		}
	}
	return nil
}

// around loads what else is on the resources, and what was restored of the lineages within
// incident.FlappingWindow.
func (l *loader) around() error {
	delete(l.resources, "")
	if len(l.resources)+len(l.roots) == 0 {
		return nil
	}
	query, resources := among(around, `?3`, slices.Collect(maps.Keys(l.resources)))
	query, roots := among(query, `?4`, slices.Collect(maps.Keys(l.roots)))
	_, _, err := l.load(query, resources, roots, l.c.Now.Add(-incident.FlappingWindow).UnixMilli())
	return err
}

// load adds what a query selects to the case, and returns what the case did not have. It decodes only
// that, because to decode a body takes longer than to read it.
func (l *loader) load(query string, args ...any) (rows []inventory.Row, incidents []incident.Incident, err error) {
	err = l.t.rows(func(scan func(...any) error) error {
		var what, id string
		var text any
		if err := scan(&what, &id, &text); err != nil {
			return err
		}
		if _, has := l.c.Row(id); what == "row" && !has {
			rows = append(rows, inventory.Row{})
			return asJSON{&rows[len(rows)-1]}.Scan(text)
		}
		if _, has := l.c.Incident(id); what == "incident" && !has {
			incidents = append(incidents, incident.Incident{})
			return asJSON{&incidents[len(incidents)-1]}.Scan(text)
		}
		return nil
	}, query, append([]any{l.s.Account, l.s.Region}, args...)...)
	l.c.Load(rows, incidents)
	return rows, incidents, err
}

// SaveCase writes what was changed in a case.
func (t *Tx) SaveCase(c *incident.Case) error {
	rows, changed := c.Changes()
	for _, r := range rows {
		if err := t.PutFlowLog(r); err != nil {
			return err
		}
	}
	for _, i := range changed {
		if err := t.PutIncident(i); err != nil {
			return err
		}
	}
	for _, h := range c.Effects.History {
		i, found := c.Incident(h.FlowLogID)
		if err := t.AddHistory(c.Scope, h.FlowLogID, h.Entry, !found || i.Known); err != nil {
			return err
		}
	}
	return nil
}
