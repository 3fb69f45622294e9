package remediate

import (
	"flowkeeper/alert"
	"flowkeeper/inventory"
	"flowkeeper/remediate/incident"
	"flowkeeper/remediate/notify"
)

// facts about a call that deletes flow logs, or would have: who made it, and whether it
// leaves a VPC without a protected one.
func (r *Remediator) facts(tx Tx, s inventory.Scope, a *alert.Actor, logs []alert.FlowLog) ([]string, error) {
	var of incident.Selection
	for _, f := range logs {
		of.Resources = append(of.Resources, f.ResourceID)
	}
	c, err := tx.Case(s, of, r.Now())
	if err != nil {
		return notify.ActorFacts(r.Policy, s.Account, a), err
	}
	return notify.DeletionFacts(r.Policy, c, a, logs), nil
}
