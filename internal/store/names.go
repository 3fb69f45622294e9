package store

import (
	"context"
	"maps"
	"time"

	"flowkeeper/alert"
	"flowkeeper/inventory"
	"flowkeeper/remediate/incident"
)

// naming has the names of resources: they are in table name_tags, and a fact for each scope says
// how complete they are. Names of accounts come from Options.Names, or else from table accounts.
type naming struct{ *tx }

// namesOf returns the names of what an alert is about, as far as they are known.
func (t naming) namesOf(a alert.Alert) (alert.Names, error) {
	accounts, resources := a.Mentions()
	named, err := rowsByKey(t, func(r *alert.Resource, name *string) []any { return []any{&r.Account, &r.Region, &r.ID, name} },
		`SELECT id, '', '', name FROM accounts WHERE name <> '' AND id IN (SELECT value FROM json_each(?1))
		UNION ALL SELECT n.account, n.region, n.resource_id, n.name FROM json_each(?2) k CROSS JOIN name_tags n ON n.account = json_extract(k.value, '$.Account')
			AND n.region = json_extract(k.value, '$.Region') AND n.resource_id = json_extract(k.value, '$.ID')`, body(accounts), body(resources))
	out := alert.Names{Accounts: map[string]string{}, Resources: named}
	for r, name := range named {
		if r.ID == "" {
			out.Accounts[r.Account] = name
			delete(named, r)
		}
	}
	maps.Copy(out.Accounts, t.f.accounts)
	return out, err
}

// named returns the alert with the names of what it is about, as far as they can be read. An alert
// without names is better than no alert; the next statement of the transaction reports the error.
func (t naming) named(a alert.Alert) alert.Alert {
	known, err := t.namesOf(a)
	if err == nil && len(known.Accounts)+len(known.Resources) > 0 {
		a.WriteNamed(known)
	}
	return a
}

// AccountNames are the known names of accounts by account ID: those in the configuration, and
// those in the organisation.
func (s lists) AccountNames(ctx context.Context) (map[string]string, error) {
	names, err := viewed(ctx, s.file, func(t *Tx) (map[string]string, error) {
		return valuesByKey[string, string](t, `SELECT id, name FROM accounts WHERE name <> ''`)
	})
	if err == nil {
		maps.Copy(names, s.accounts)
	}
	return names, err
}

// ResourceNames are the known names of the resources of a scope, by their IDs.
func (s lists) ResourceNames(ctx context.Context, scope inventory.Scope) (map[string]string, error) {
	return viewed(ctx, s.file, func(t *Tx) (map[string]string, error) {
		return valuesByKey[string, string](t, `SELECT resource_id, name FROM name_tags WHERE account = ? AND region = ?`, scope.Account, scope.Region)
	})
}

// namesKnown is the value of the fact that says what is known of the names of a scope.
type namesKnown struct {
	All time.Time // when AWS was last asked for the names of all resources
	Row int64     // the names are known for flow logs up to this row of the snapshot
}

func factNames(s inventory.Scope) string { return factNamesOf + s.String() }

const factNamesOf = "names of "

// NamesKnown returns when AWS was last asked for the names of all resources of a scope (zero:
// never), and up to which row of the snapshot they are known.
func (s snapshot) NamesKnown(ctx context.Context, scope inventory.Scope) (all time.Time, row int64, err error) {
	var known namesKnown
	err = s.View(ctx, func(t *Tx) error {
		_, err := firstRow(t, []any{asJSON{&known}}, `SELECT value FROM facts WHERE name = ?`, factNames(scope))
		return err
	})
	return known.All, known.Row, err
}

// LastRow is the number of the last row of the snapshot; 0: it is empty.
func (s snapshot) LastRow(ctx context.Context) (int64, error) {
	return viewed(ctx, s.file, func(t *Tx) (int64, error) { return firstValue[int64](t, `SELECT coalesce(max(num), 0) FROM flow_logs`) })
}

// LiveResources returns the resources of a scope's live flow logs in rows beyond row, in order:
// at most limit, those after the resource after.
func (s snapshot) LiveResources(ctx context.Context, scope inventory.Scope, row int64, after string, limit int) ([]string, error) {
	return viewed(ctx, s.file, func(t *Tx) ([]string, error) {
		return allValues[string](t, `SELECT DISTINCT resource_id FROM flow_logs INDEXED BY flow_logs_resource
			WHERE account = ? AND region = ? AND resource_id > ? AND num > ? AND state = 'live' ORDER BY resource_id LIMIT ?`, scope.Account, scope.Region, after, row, limit)
	})
}

// SetResourceNames replaces the names of the resources that AWS was asked about. A resource that
// is not in names has none.
func (s snapshot) SetResourceNames(ctx context.Context, scope inventory.Scope, asked []string, names map[string]string) error {
	had, err := viewed(ctx, s.file, func(t *Tx) (map[string]string, error) {
		return valuesByKey[string, string](t, `SELECT resource_id, name FROM name_tags
			WHERE account = ? AND region = ? AND resource_id IN (SELECT value FROM json_each(?))`, scope.Account, scope.Region, body(asked))
	})
	if err != nil || maps.Equal(had, names) {
		return err
	}
	return s.Update(ctx, func(t *Tx) error {
		err := t.exec(`DELETE FROM name_tags WHERE account = ? AND region = ? AND resource_id IN (SELECT value FROM json_each(?))`, scope.Account, scope.Region, body(asked))
		if err != nil {
			return err
		}
		return t.exec(`INSERT INTO name_tags (account, region, resource_id, name) SELECT ?, ?, key, value FROM json_each(?)`, scope.Account, scope.Region, body(names))
	})
}

// SetNamesKnown sets what NamesKnown returns.
func (s snapshot) SetNamesKnown(ctx context.Context, scope inventory.Scope, all time.Time, row int64) error {
	return s.Update(ctx, func(t *Tx) error { return t.setFact(factNames(scope), body(namesKnown{all.UTC(), row})) })
}

// Resources finds resources of flow logs or incidents by a word that somebody typed: the one
// with this ID, or else all with this name.
func (s lists) Resources(ctx context.Context, word string) ([]string, error) {
	return viewed(ctx, s.file, func(t *Tx) ([]string, error) {
		known, err := firstValue[bool](t, `SELECT EXISTS (SELECT 1 FROM flow_logs WHERE resource_id = ?1) OR EXISTS (SELECT 1 FROM incidents WHERE resource_id = ?1)`, word)
		switch {
		case err != nil || word == "":
			return nil, err
		case known:
			return []string{word}, nil
		}
		return allValues[string](t, `SELECT DISTINCT resource_id FROM name_tags WHERE name = ? ORDER BY 1`, word)
	})
}

// ReplacedBy finds the incident whose flow log was replaced by the flow log id of the snapshot.
func (s lists) ReplacedBy(ctx context.Context, id string) (i incident.Incident, ok bool, err error) {
	err = s.View(ctx, func(t *Tx) error {
		i, ok, err = firstBody[incident.Incident](t, `SELECT i.body FROM flow_logs f CROSS JOIN incidents i INDEXED BY incidents_root
			ON i.account = f.account AND i.region = f.region AND i.root_id = f.root_id
			WHERE f.id = ?1 AND json_extract(i.body, '$.NewID') = ?1`, id)
		return err
	})
	return i, ok, err
}
