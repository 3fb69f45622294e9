package remediate

import (
	"strings"

	"flowkeeper/alert"
	"flowkeeper/inventory"
)

// The facts that raise an alert's level above its rule's (docs/detection.md).
const (
	ByRoot          = "root"             // by the account's root user
	NoMFA           = "no_mfa"           // by a person who signed in without MFA
	WholeVPC        = "whole_vpc"        // a VPC has no protected flow log left
	DestinationGone = "destination_gone" // what protected flow logs deliver to is gone
	IsADecoy        = "decoy"            // made in the place of a protected one, and does less
)

// raised is a level one step up, if a fact calls for it, and the facts.
func raised(l alert.Level, facts []string) (alert.Level, []string) {
	if len(facts) == 0 {
		return l, nil
	}
	return l.Raised(), facts
}

// personal are the facts about who did it, by a record of the account. Whom a
// rule names raises nothing: the operator knows that one.
func (r *Remediator) personal(account string, a *alert.Actor) (facts []string) {
	if a == nil || r.Policy.RuleFor(account, a.Principal()).Action != Restore {
		return nil
	}
	if a.Type == "Root" {
		facts = append(facts, ByRoot)
	}
	// Roles' sessions say "no" whatever happened where they were taken: by a
	// service, a pipeline, or people who showed MFA to an identity provider.
	// A long-term access key comes without MFA, and without a word about it.
	withoutMFA := a.MFA != nil && !*a.MFA || a.MFA == nil && strings.HasPrefix(a.AccessKeyID, "AKIA")
	if (a.Type == "Root" || a.Type == "IAMUser") && withoutMFA {
		facts = append(facts, NoMFA)
	}
	return facts
}

// facts about a call that deletes flow logs, or would have: who made it, and
// whether it leaves a VPC dark.
func (r *Remediator) facts(tx Tx, s inventory.Scope, a *alert.Actor, logs []alert.FlowLog) ([]string, error) {
	out := r.personal(s.Account, a)
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
		out = append(out, WholeVPC)
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
