package store

import (
	"context"
	"slices"

	"flowkeeper/inventory"
	"flowkeeper/remediate/delivery"
	"flowkeeper/remediate/incident"
	"flowkeeper/remediate/tamper"
)

// dependencies has what flow logs depend on: table depends.
type dependencies struct{ *tx }

// addDependencies stores what flow logs with this target depend on. Nothing is ever deleted here: a lost
// flow log may still have to be restored with this target.
func (t dependencies) addDependencies(s inventory.Scope, of delivery.Target, needs string) error {
	keys := of.Keys()
	if k := delivery.ResourceKey(inventory.RecipientOf(of.Destination)); k != "" && !slices.Contains(keys, k) {
		keys = append(keys, k) // the account of a log group or a stream
	}
	for _, key := range keys {
		if err := t.exec(`INSERT INTO depends (thing, account, region, needs) VALUES (?, ?, ?, ?) ON CONFLICT DO NOTHING`, key, s.Account, s.Region, needs); err != nil {
			return err
		}
	}
	return nil
}

// fill fills the table of an older file, which did not have it, from the targets of the protected
// live flow logs. Else, until the next refresh, no call would count as tampering with what they need.
func (t dependencies) fill() error {
	filled, err := firstValue[bool](t, `SELECT EXISTS (SELECT 1 FROM depends)`)
	if err != nil || filled {
		return err
	}
	all, err := t.usages(`SELECT account, region, needs, 0 FROM targets`)
	if err != nil {
		return err
	}
	for _, d := range all {
		if err := t.addDependencies(d.Scope, d.Target, body(d.Target)); err != nil {
			return err
		}
	}
	return nil
}

// usagesOf and usagesBetween select the columns of tamper.Usage. DISTINCT is for targets that use several of the
// resources; of one resource it would only cost time.
const (
	usagesOf      = usageColumns + `FROM depends d WHERE thing = ?`
	usagesBetween = usageColumns + `FROM (SELECT DISTINCT account, region, needs FROM depends WHERE thing BETWEEN ? AND ?) d`

	usageColumns = `SELECT account, region, needs, (SELECT count(*) FROM targets t CROSS JOIN flow_logs f ON f.target = t.num
		WHERE t.account = d.account AND t.region = d.region AND t.needs = d.needs) `
)

func (t dependencies) Usages(first, last delivery.ResourceKey) ([]tamper.Usage, error) {
	if first == last {
		return t.usages(usagesOf, first)
	}
	return t.usages(usagesBetween, first, last)
}

func (t dependencies) CountProtected(account, region string, limit int) (int, error) {
	return firstValue[int](t, `SELECT count(*) FROM (
		SELECT f.region, f.id FROM targets t CROSS JOIN flow_logs f ON f.target = t.num WHERE t.account = ?1 AND ?2 IN ('', t.region)
		UNION SELECT region, id FROM incidents WHERE account = ?1 AND ?2 IN ('', region) AND known = 1 AND state IN ('open', 'blocked') LIMIT ?3)`, account, region, limit)
}

// RecipientAccounts are the accounts that protected flow logs deliver to. The ARN of a bucket names
// no account.
func (s counts) RecipientAccounts(ctx context.Context) ([]string, error) {
	return viewed(ctx, s.file, func(t *Tx) ([]string, error) {
		return allValues[string](t, `SELECT DISTINCT substr(thing, length(?1) + 1) FROM depends WHERE thing >= ?1 AND thing < ?1 || char(0x10FFFF)`, inventory.AccountRecipient)
	})
}

func (t dependencies) usages(query string, args ...any) ([]tamper.Usage, error) {
	return allRows(t, func(u *tamper.Usage) []any {
		return []any{&u.Scope.Account, &u.Scope.Region, asJSON{&u.Target}, &u.Live}
	}, query, args...)
}

func (t dependencies) KnownMissing(s inventory.Scope, limit int) ([]incident.Incident, error) {
	return allBodies[incident.Incident](t, `SELECT body FROM incidents i WHERE account = ? AND region = ? AND known = 1 AND state IN ('open', 'blocked')
		AND NOT EXISTS (SELECT 1 FROM flow_logs f WHERE f.account = i.account AND f.region = i.region AND f.id = i.id AND f.target IS NOT NULL) LIMIT ?`, s.Account, s.Region, limit)
}
