package store

import (
	"context"

	"flowkeeper/alert"
	"flowkeeper/inventory"
	"flowkeeper/remediate/delivery"
	"flowkeeper/remediate/rehearse"
)

// rehearsals has the rehearsals, and the health of pipelines: tables rehearsals and ways.
type rehearsals struct{ *tx }

func (t rehearsals) Rehearsable(s inventory.Scope, ofEach int) ([]inventory.Row, error) {
	return allBodies[inventory.Row](t, `SELECT body FROM flow_logs WHERE num IN (
		SELECT num FROM (SELECT f.num, row_number() OVER (PARTITION BY f.target ORDER BY f.id) AS place
			FROM targets t CROSS JOIN flow_logs f ON f.target = t.num WHERE t.account = ? AND t.region = ?) WHERE place <= ?) ORDER BY id`, s.Account, s.Region, ofEach)
}

// Rehearsals implements [rehearse.Tx].
func (t *Tx) Rehearsals(s inventory.Scope) (stored rehearse.Stored, err error) {
	stored.Rehearsals, err = allBodies[rehearse.Rehearsal](t, `SELECT body FROM rehearsals WHERE account = ? AND region = ? ORDER BY needs`, s.Account, s.Region)
	if err == nil {
		stored.Alerted, err = t.OutageAlerted(s, alert.PartRehearsal)
	}
	return stored, err
}

func (t rehearsals) PipelineHealth(s inventory.Scope) (rehearse.PipelineHealth, error) {
	health, _, err := firstBody[rehearse.PipelineHealth](t, `SELECT body FROM ways WHERE account = ? AND region = ?`, s.Account, s.Region)
	return health, err
}

// SavePipelineHealth implements [rehearse.PipelineTx].
func (t *Tx) SavePipelineHealth(s inventory.Scope, h rehearse.PipelineHealth, added []alert.Alert) error {
	if err := t.exec(`INSERT OR REPLACE INTO ways (account, region, body) VALUES (?, ?, ?)`, s.Account, s.Region, body(h)); err != nil {
		return err
	}
	return t.AddAlerts(added, nil)
}

// SaveRehearsals implements [rehearse.Tx].
func (t *Tx) SaveRehearsals(s inventory.Scope, c rehearse.Changes) error {
	for _, r := range c.Rehearsals {
		if err := t.exec(`INSERT OR REPLACE INTO rehearsals (account, region, needs, body) VALUES (?, ?, ?, ?)`, s.Account, s.Region, body(r.Target), body(r)); err != nil {
			return err
		}
	}
	for _, of := range c.Dropped {
		if err := t.exec(`DELETE FROM rehearsals WHERE account = ? AND region = ? AND needs = ?`, s.Account, s.Region, body(of)); err != nil {
			return err
		}
	}
	return t.AddAlerts(c.Alerts, c.Outage)
}

// Rehearsed returns a function that finds the rehearsal of a flow log's target; false:
// there was none yet. It reads all rehearsals once.
func (s lists) Rehearsed(ctx context.Context) (func(inventory.Row) (rehearse.Rehearsal, bool), error) {
	type key struct {
		scope  inventory.Scope
		target delivery.Target
	}
	known := map[key]rehearse.Rehearsal{}
	all, err := viewed(ctx, s.file, func(t *Tx) ([]rehearse.Rehearsal, error) {
		return allBodies[rehearse.Rehearsal](t, `SELECT body FROM rehearsals`)
	})
	for _, r := range all {
		known[key{r.Scope, r.Target}] = r
	}
	return func(row inventory.Row) (rehearse.Rehearsal, bool) {
		r, ok := known[key{row.Scope, delivery.TargetOf(row.FlowLog)}]
		return r, ok && row.Rehearsable()
	}, err
}
