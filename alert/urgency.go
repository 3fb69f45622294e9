package alert

import (
	"slices"
	"time"
)

// Urgency is the alert's place among those that a sink has not got yet: 0 goes
// first, and of two that are equal the older one.
//
// It follows from RoutingLevel, so that what answers an alert
// goes with it. One kind of alert stands back: what somebody can cause who has
// no permission at all, or a record that was made up. However urgent such alerts
// are, they come after every high and critical alert about what was lost: a flood
// of refused calls must not delay the one that says what is gone.
func (a Alert) Urgency() int {
	places, known := urgencies[a.RoutingLevel()]
	if !known {
		places = [2]int{8, 9}
	}
	if a.needsNoPermission() {
		return places[1]
	}
	return places[0]
}

// RoutingLevel is the level by which the alert is routed, and ordered: its own, but for
// those that answer an earlier one. `restored` (low), `closed` and the end of a failed
// delivery (informational) go where the most urgent of the alerts before them went
// (RouteLevel).
func (a Alert) RoutingLevel() Level {
	switch {
	case a.Kind != Restored && a.Kind != Closed && a.Kind != Pipeline:
		return a.Level
	case a.RouteLevel == "" && a.Kind != Pipeline:
		return Highest(a.Level, High) // where a deletion goes: rather one message too many than an incident left open
	}
	return Highest(a.Level, a.RouteLevel)
}

// urgencies of the levels above informational: of an alert about what was lost, and of
// one that anybody can cause.
var urgencies = map[Level][2]int{Critical: {0, 2}, High: {1, 3}, Medium: {4, 5}, Low: {6, 7}}

// needsNoPermission reports whether the alert may come from a caller whom AWS
// refuses everything, or from a record that names flow logs which the snapshot
// does not know: both can be repeated without end. Of a flow log that it knows
// the snapshot has the resource.
func (a Alert) needsNoPermission() bool {
	if a.Repeats != nil {
		return true // only such alerts are summed up
	}
	switch a.Kind {
	case Attempt, Tamper:
		return true
	case Deletion, Restored, Closed:
		return allAre(a.FlowLogs, FlowLog.unknown)
	}
	return false
}

// namesUnknown reports whether the alert names a flow log that the snapshot
// does not know.
func (a Alert) namesUnknown() bool { return slices.ContainsFunc(a.FlowLogs, FlowLog.unknown) }

// unknown reports whether the snapshot does not know the flow log.
func (f FlowLog) unknown() bool { return f.ResourceID == "" }

const (
	// Late is how long after a deletion an alert about it is late, and how long
	// after an alert its delivery is.
	Late = time.Minute
	// MinRing is how long a pager rings at the least for what was late, or for a
	// flow log that the snapshot does not know.
	MinRing = 5 * time.Minute
)

// RingsOn reports whether what this alert opens stays open for MinRing, counted
// from its delivery to each sink: nobody would see a page that is opened and
// resolved at one instant.
func (a Alert) RingsOn() bool {
	if a.Kind != Deletion {
		return false
	}
	return a.DeletedAt != nil && a.Time.Sub(a.DeletedAt.Time) > Late || a.namesUnknown()
}
