package store

import (
	"flowkeeper/inventory"
)

// approvals has which recipients were approved, and which flow logs are held: tables
// approved, flow_logs, targets and depends.
type approvals struct{ *tx }

// Approve implements trust.Tx.
func (t approvals) Approve(r inventory.Recipient) error {
	return t.exec(`INSERT INTO approved (recipient, at) VALUES (?, ?) ON CONFLICT DO NOTHING`, r, t.f.now().UnixMilli())
}

// Held implements trust.Tx.
func (t approvals) Held() ([]inventory.Row, error) {
	return allBodies[inventory.Row](t, `SELECT body FROM flow_logs WHERE held = 1 ORDER BY account, region, id`)
}

// Approved implements trust.Tx.
func (t approvals) Approved(r inventory.Recipient) (bool, error) {
	return firstValue[bool](t, `SELECT EXISTS (SELECT 1 FROM approved WHERE recipient = ?)`, r)
}

// DeliversTo implements trust.Tx.
func (t approvals) DeliversTo(r inventory.Recipient) (bool, error) {
	return firstValue[bool](t, liveTo, r)
}

// EverDelivered implements trust.Tx.
func (t approvals) EverDelivered(r inventory.Recipient) ([]inventory.Scope, error) {
	return scopesOf(t, everTo, r)
}

// LostFlowLogs implements trust.Tx.
func (t approvals) LostFlowLogs(s inventory.Scope) ([]inventory.Row, error) {
	return allBodies[inventory.Row](t, goneIn, s.Account, s.Region)
}

// liveTo asks whether a protected live flow log delivers to a recipient. everTo selects the scopes in
// which one ever did, and goneIn the protected flow logs that a scope has lost.
const (
	liveTo = `SELECT EXISTS (SELECT 1 FROM depends d CROSS JOIN targets t USING (account, region, needs) CROSS JOIN flow_logs f ON f.target = t.num WHERE d.thing = ?)`
	everTo = `SELECT DISTINCT account, region FROM depends WHERE thing = ?`
	goneIn = `SELECT body FROM flow_logs WHERE account = ? AND region = ? AND gone_at IS NOT NULL AND state = 'gone' AND protected = 1`
)
