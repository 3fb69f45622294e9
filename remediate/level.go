package remediate

import (
	"strings"

	"flowkeeper/alert"
	"flowkeeper/inventory"
	"flowkeeper/remediate/notify"
)

// facts about a call that deletes flow logs, or would have: who made it, and
// whether it leaves a VPC dark.
func (r *Remediator) facts(tx Tx, s inventory.Scope, a *alert.Actor, logs []alert.FlowLog) ([]string, error) {
	out := notify.ActorFacts(r.Policy, s.Account, a)
	if a != nil && r.Policy.RuleFor(s.Account, a.Principal()).Action != Restore {
		return out, nil
	}
	ids, resources := map[string]bool{}, make([]string, 0, len(logs))
	for _, f := range logs {
		ids[f.FlowLogID] = true
		if f.NewFlowLogID != "" {
			ids[f.NewFlowLogID] = true
		}
		resources = append(resources, f.ResourceID)
	}
	whole, err := wholeVPC(tx, s, ids, resources)
	if whole {
		out = append(out, notify.WholeVPC)
	}
	return out, err
}

// wholeVPC reports whether a VPC among the resources of these flow logs has no
// protected one beside them.
func wholeVPC(tx Tx, s inventory.Scope, ids map[string]bool, resources []string) (bool, error) {
	asked := map[string]bool{}
	for _, res := range resources {
		if !strings.HasPrefix(res, "vpc-") || asked[res] {
			continue
		}
		asked[res] = true
		live, err := tx.Live(s, res)
		if err != nil {
			return false, err
		}
		left := false
		for _, row := range live {
			if !row.Protected || ids[row.ID] || ids[row.RootID] {
				continue
			}
			i, found, err := tx.Incident(s, row.ID) // said to be gone, and shown all the same
			if err != nil {
				return false, err
			}
			left = left || !found || i.State != Open
		}
		if !left {
			return true, nil
		}
	}
	return false, nil
}
