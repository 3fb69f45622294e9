package metrics

import (
	"slices"

	"flowkeeper/remediate/incident"
)

// Values of the label reason in addition to the reasons of package incident.
const (
	reasonOther                     = "other"                 // a reason that this version does not know
	reasonTelemetry incident.Reason = "replaced_by_telemetry" // incident.Replaced, by CloudWatch's telemetry rules
)

// withOther returns the values that the label reason can have.
func withOther(reasons []incident.Reason) (out []string) {
	for _, r := range reasons {
		out = append(out, string(r))
	}
	return append(out, reasonOther)
}

// knownReason is the reason as a label has it.
func knownReason(reason incident.Reason, known []incident.Reason) string {
	if slices.Contains(known, reason) {
		return string(reason)
	}
	return reasonOther
}

// knownReasons adds up the numbers of unknown reasons.
func knownReasons(count map[string]int, known []incident.Reason) map[string]int {
	out := map[string]int{}
	for reason, n := range count {
		out[knownReason(incident.Reason(reason), known)] += n
	}
	return out
}

var closedReasons = append(slices.Clone(incident.ClosedReasons), reasonTelemetry)

// reasonOf returns the state and reason that a change of an incident adds to incident_reasons_total,
// if it has become blocked or closed, or is so for another reason than before; empty: it adds none.
func reasonOf(before, after incident.Incident) (state, reason string) {
	same := after.State == before.State && after.Reason == before.Reason
	switch {
	case after.State == incident.Blocked && !same:
		return string(after.State), knownReason(after.Reason, incident.BlockedReasons)
	case after.State == incident.Closed && !same && incident.ReplacedByTelemetry(after):
		return string(after.State), string(reasonTelemetry)
	case after.State == incident.Closed && !same:
		return string(after.State), knownReason(after.Reason, incident.ClosedReasons)
	}
	return "", ""
}
