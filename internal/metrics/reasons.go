package metrics

import (
	"slices"

	"flowkeeper/remediate/incident"
)

// Values of the label reason beside the reasons of package incident.
const (
	reasonOther     = "other"                 // one that this version does not know
	reasonTelemetry = "replaced_by_telemetry" // incident.Replaced, by CloudWatch's telemetry rules
)

// withOther are the values that the label reason can have.
func withOther(reasons []string) []string { return append(slices.Clone(reasons), reasonOther) }

// knownReason is the reason as a label has it.
func knownReason(reason string, known []string) string {
	if slices.Contains(known, reason) {
		return reason
	}
	return reasonOther
}

// knownReasons adds up the numbers of unknown reasons.
func knownReasons(count map[string]int, known []string) map[string]int {
	out := map[string]int{}
	for reason, n := range count {
		out[knownReason(reason, known)] += n
	}
	return out
}

var closedReasons = append(slices.Clone(incident.ClosedReasons), reasonTelemetry)

// reasonOf returns the state and reason that a change of an incident adds to
// incident_reasons_total; empty: none. It has become blocked or closed, or is so for another reason.
func reasonOf(before, after incident.Incident) (state, reason string) {
	same := after.State == before.State && after.Reason == before.Reason
	switch {
	case after.State == incident.Blocked && !same:
		return string(after.State), knownReason(after.Reason, incident.BlockedReasons)
	case after.State == incident.Closed && !same && incident.ReplacedByTelemetry(after):
		return string(after.State), reasonTelemetry
	case after.State == incident.Closed && !same:
		return string(after.State), knownReason(after.Reason, incident.ClosedReasons)
	}
	return "", ""
}
