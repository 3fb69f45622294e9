package doctor

import (
	"context"
	"fmt"

	"flowkeeper/configs"
	"flowkeeper/inventory"
	"flowkeeper/remediate/incident"
)

// telemetryRules reports how many flow logs of a scope CloudWatch's telemetry rules made, as
// far as their tag shows, and which rule of ours holds for the role of these.
func (s *subject) telemetryRules(context.Context) finding {
	facts, err := s.machine.state()
	if err != nil {
		return skipped(noStateFile) // state-file reports the error
	}
	return judgeTelemetry(facts.telemetry[s.scope], s.scope, s.machine.conf.Remediate)
}

func judgeTelemetry(flowLogs int, s inventory.Scope, c configs.Remediate) finding {
	if flowLogs == 0 {
		return fine("no flow log has the tag %s", incident.TelemetryTag)
	}
	return fine("%s the tag %s: for the role of CloudWatch's telemetry rules, %s. aws observabilityadmin list-telemetry-rules shows these rules; docs/telemetry-rules.md says how they work beside Flowkeeper",
		plural(flowLogs, "flow log has", "flow logs have"), incident.TelemetryTag, telemetryRule(s, c))
}

// telemetryRule says which rule of ours holds for that role.
func telemetryRule(s inventory.Scope, c configs.Remediate) string {
	for n, r := range c.Rules {
		if (incident.Rule{Principal: r.Principal}).Matches(s.Account, incident.TelemetryRole(s)) {
			action := r.Action
			if r.Action == "wait" {
				action += " " + configs.Tidy(r.Wait)
			}
			return fmt.Sprintf("remediate.rules[%d] holds: %s", n, action)
		}
	}
	return "the built-in rule holds: wait " + configs.Tidy(incident.TelemetryWait)
}
