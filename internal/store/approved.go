package store

import (
	"slices"

	"flowkeeper/inventory"
)

// approvals has which recipients were approved, and which flow logs are held: tables
// approved, flow_logs, targets and depends.
type approvals struct{ *tx }

// Approve is trust.Tx's.
func (t approvals) Approve(r inventory.Recipient) error {
	return t.exec(`INSERT INTO approved (recipient, at) VALUES (?, ?) ON CONFLICT DO NOTHING`, r, t.f.now().UnixMilli())
}

// Held is trust.Tx's.
func (t approvals) Held() ([]inventory.Row, error) {
	return each[inventory.Row](t, `SELECT body FROM flow_logs WHERE held = 1 ORDER BY account, region, id`)
}

// What has ever depended on a recipient, and whether a protected flow log with the same
// target is there.
const (
	liveTo = `SELECT EXISTS (SELECT 1 FROM depends d CROSS JOIN targets t USING (account, region, needs) CROSS JOIN flow_logs f ON f.target = t.num WHERE d.thing = ?)`
	everTo = `SELECT DISTINCT account, region FROM depends WHERE thing = ?`
	goneIn = `SELECT body FROM flow_logs WHERE account = ? AND region = ? AND gone_at IS NOT NULL AND state = 'gone' AND protected = 1`
)

// Trusted is trust.Tx's. What the snapshot still has of flow logs that are lost counts:
// what restores them is no stranger's.
func (t approvals) Trusted(r inventory.Recipient) (bool, error) {
	approved, err := value[bool](t, `SELECT EXISTS (SELECT 1 FROM approved WHERE recipient = ?)`, r)
	if err != nil || approved {
		return approved, err
	}
	live, err := value[bool](t, liveTo, r)
	if err != nil || live {
		return live, err
	}
	scopes, err := scopesOf(t, everTo, r)
	if err != nil {
		return false, err
	}
	for _, s := range scopes {
		gone, err := each[inventory.Row](t, goneIn, s.Account, s.Region)
		if err != nil {
			return false, err
		}
		if slices.ContainsFunc(gone, func(row inventory.Row) bool {
			return !row.Imported && inventory.RecipientOf(row.Destination(row.Scope)) == r
		}) {
			return true, nil
		}
	}
	return false, nil
}
