package notify

import (
	"strings"

	"flowkeeper/alert"
	"flowkeeper/remediate/incident"
)

// ActorFacts are the facts about who made a call, by a record of the account. A principal
// that a rule of the policy names raises nothing: the operator knows that one.
func ActorFacts(p incident.Policy, account string, a *alert.Actor) (facts []string) {
	if a == nil || isExpected(p, account, a) {
		return nil
	}
	if a.Type == "Root" {
		facts = append(facts, alert.ByRoot)
	}
	// Roles' sessions say "no" whatever happened where they were taken: by a
	// service, a pipeline, or people who showed MFA to an identity provider.
	// A long-term access key comes without MFA, and without a word about it.
	withoutMFA := strings.HasPrefix(a.AccessKeyID, "AKIA")
	if a.MFA != nil {
		withoutMFA = !*a.MFA
	}
	if (a.Type == "Root" || a.Type == "IAMUser") && withoutMFA {
		facts = append(facts, alert.NoMFA)
	}
	return facts
}

// DeletionFacts are the facts about a call that deletes flow logs, or would have: who made
// it, and whether it leaves a VPC without a protected flow log. The case is about the flow
// logs' resources. a is nil where nobody is known to have done it.
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

// isExpected reports whether a rule of the policy names who made a call.
func isExpected(p incident.Policy, account string, a *alert.Actor) bool {
	return a != nil && p.RuleFor(account, a.Principal()).Action != incident.Restore
}
