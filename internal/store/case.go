package store

import (
	"maps"
	"slices"
	"time"

	"flowkeeper/inventory"
	"flowkeeper/remediate/incident"
)

// cases loads and saves cases, of several tables.
type cases struct{ *tx }

// Case loads what decisions about some flow logs depend on.
func (t cases) Case(s inventory.Scope, of incident.Selection, now time.Time) (*incident.Case, error) {
	c := &incident.Case{Scope: s, Now: now}
	_, err := first(t, []any{&c.RefreshedAt, &c.Complete, &c.Stale, &c.MayHold}, `SELECT refreshed_at, first_at IS NOT NULL, coalesce(stale, 0) = 1, coalesce(holds, 0) = 1 FROM scopes WHERE account = ? AND region = ?`, s.Account, s.Region)
	if err == nil && !c.MayHold {
		c.MayHold, err = value[bool](t.tx, lateRegion, s.Account, s.Region, now.Add(-installation).UnixMilli())
	}
	if err != nil {
		return nil, err
	}
	l := loader{t: t.tx, s: s, c: c, loaded: map[string]bool{}, resources: map[string]bool{}, roots: map[string]bool{}}
	for _, id := range of.Resources {
		l.resources[id] = true
	}
	if err := l.flowLogs(of.IDs); err != nil {
		return nil, err
	}
	if err := l.onResources(); err != nil {
		return nil, err
	}
	return c, l.restored()
}

// lateRegion reports whether a scope is another Region of an account that has been watched
// for longer than installation. What the first refresh of such a Region finds may be an
// attacker's, who has enabled the Region for it.
const lateRegion = `SELECT EXISTS (SELECT 1 FROM scopes WHERE account = ? AND region <> ? AND holds = 1 AND first_at < ?)`

// installation is how long the first refreshes of an account's Regions may follow each other.
const installation = 24 * time.Hour

// What else is on some resources, and what was restored of some lineages since a time.
const (
	pendingOn  = `SELECT body FROM incidents WHERE account = ? AND region = ? AND resource_id IN (SELECT value FROM json_each(?)) AND state IN ('open', 'blocked')`
	liveOn     = `SELECT body FROM flow_logs WHERE account = ? AND region = ? AND resource_id IN (SELECT value FROM json_each(?)) AND state = 'live'`
	restoredOf = `SELECT body FROM incidents WHERE account = ? AND region = ? AND root_id IN (SELECT value FROM json_each(?)) AND restored_at > ?`
)

// loader fills a case.
type loader struct {
	t *tx
	s inventory.Scope
	c *incident.Case

	loaded           map[string]bool // flow log IDs
	resources, roots map[string]bool // of the flow logs
}

// flowLogs loads rows and incidents by ID, and those of the replacements that follow.
func (l *loader) flowLogs(ids []string) error {
	for depth := 0; len(ids) > 0 && depth < incident.MaxLineage; depth++ {
		for _, id := range ids {
			l.loaded[id] = true
		}
		rows, err := l.rows(ids)
		if err != nil {
			return err
		}
		incidents, err := each[incident.Incident](l.t, `SELECT body FROM incidents WHERE account = ? AND region = ? AND id IN (SELECT value FROM json_each(?))`,
			l.s.Account, l.s.Region, body(ids))
		if err != nil {
			return err
		}
		l.c.Load(rows, incidents)
		ids = nil
		for _, r := range rows {
			l.resources[r.ResourceID], l.roots[r.RootID] = true, true
		}
		for _, i := range incidents {
			l.resources[i.ResourceID], l.roots[i.RootID] = true, true
			if i.NewID != "" && !l.loaded[i.NewID] {
				ids = append(ids, i.NewID)
			}
		}
	}
	return nil
}

func (l *loader) rows(ids []string) ([]inventory.Row, error) {
	return each[inventory.Row](l.t, `SELECT body FROM flow_logs WHERE account = ? AND region = ? AND id IN (SELECT value FROM json_each(?))`,
		l.s.Account, l.s.Region, body(ids))
}

// onResources loads what is live or to come back on the resources.
func (l *loader) onResources() error {
	delete(l.resources, "")
	if len(l.resources) == 0 {
		return nil
	}
	on := body(slices.Collect(maps.Keys(l.resources)))
	live, err := each[inventory.Row](l.t, liveOn, l.s.Account, l.s.Region, on)
	if err != nil {
		return err
	}
	pending, err := each[incident.Incident](l.t, pendingOn, l.s.Account, l.s.Region, on)
	if err != nil {
		return err
	}
	l.c.Load(live, pending)
	var ids []string
	for _, i := range pending {
		if _, loaded := l.c.Row(i.FlowLogID); !loaded {
			ids = append(ids, i.FlowLogID)
		}
	}
	if len(ids) == 0 {
		return nil
	}
	rows, err := l.rows(ids)
	l.c.Load(rows, nil)
	return err
}

// restored loads what was restored of the lineages within the hour.
func (l *loader) restored() error {
	if len(l.roots) == 0 {
		return nil
	}
	restored, err := each[incident.Incident](l.t, restoredOf, l.s.Account, l.s.Region, body(slices.Collect(maps.Keys(l.roots))), l.c.Now.Add(-time.Hour).UnixMilli())
	l.c.Load(nil, restored)
	return err
}

// SaveCase writes what was changed in a case.
func (t cases) SaveCase(c *incident.Case) error {
	rows, changed := c.Changes()
	for _, r := range rows {
		if err := flowLogs(t).PutFlowLog(r); err != nil {
			return err
		}
	}
	for _, i := range changed {
		if err := incidents(t).PutIncident(i); err != nil {
			return err
		}
	}
	for _, h := range c.Effects.History {
		if err := incidents(t).AddHistory(c.Scope, h.FlowLogID, h.Entry); err != nil {
			return err
		}
	}
	return nil
}
