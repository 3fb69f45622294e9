package notify

import (
	"strings"

	"flowkeeper/alert"
	"flowkeeper/remediate/incident"
)

// ActorFacts are the facts about who made a call, according to a record of the account.
// There are none if a rule excuses the principal (isExpected): the operator knows it.
func ActorFacts(p incident.Policy, account string, a *alert.Actor) (facts []string) {
	if a == nil || isExpected(p, account, a) {
		return nil
	}
	if a.Type == "Root" {
		facts = append(facts, alert.ByRoot)
	}
	// The sessions of roles always say "no", whether a service, a pipeline, or a person
	// who used MFA at an identity provider has assumed the role. The records of long-term
	// access keys say nothing about MFA: such keys do not use it.
	withoutMFA := strings.HasPrefix(a.AccessKeyID, "AKIA")
	if a.MFA != nil {
		withoutMFA = !*a.MFA
	}
	if (a.Type == "Root" || a.Type == "IAMUser") && withoutMFA {
		facts = append(facts, alert.NoMFA)
	}
	return facts
}

// DeletionFacts are the facts about a call that deleted flow logs, or tried to: who made it,
// and whether it leaves a VPC without a protected flow log. The case is about the resources
// of the flow logs. a is nil if it is unknown who made the call.
func DeletionFacts(p incident.Policy, c *incident.Case, a *alert.Actor, logs []alert.FlowLog) []string {
	if isExpected(p, c.Scope.Account, a) {
		return nil
	}
	facts := ActorFacts(p, c.Scope.Account, a)
	gone, resources := map[string]bool{}, make([]string, 0, len(logs))
	for _, f := range logs {
		gone[f.FlowLogID] = true
		if f.NewFlowLogID != "" {
			gone[f.NewFlowLogID] = true
		}
		resources = append(resources, f.ResourceID)
	}
	if c.LeavesVPCDark(gone, resources) {
		facts = append(facts, alert.WholeVPC)
	}
	return facts
}

// isExpected reports whether the policy's rule for who made a call has another action than restore.
func isExpected(p incident.Policy, account string, a *alert.Actor) bool {
	return a != nil && p.RuleFor(account, a.Principal()).Action != incident.Restore
}
