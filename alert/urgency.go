package alert

import (
	"slices"
	"time"
)

// Urgency orders the alerts that a sink has not got yet: the lowest is sent first, and of
// two equal ones the older.
//
// It follows from RoutingLevel, so that the answer to an alert has the same urgency. Alerts
// that a caller without any permission, or a forged record, can cause come later: even the
// critical ones are sent after every high and critical alert about a loss. A flood of
// refused calls must not delay the alert about a deletion.
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

// RoutingLevel is the level by which the alert is routed and ordered: its own, except for an
// alert that answers earlier ones. `restored` (low), `closed` and the end of an outage
// (informational) go to the sinks that the most urgent of these went to (RouteLevel).
func (a Alert) RoutingLevel() Level {
	switch {
	case a.Kind != Restored && a.Kind != Closed && a.Kind != Pipeline:
		return a.Level
	case a.RouteLevel == "" && a.Kind != Pipeline:
		return Highest(a.Level, High) // as a deletion: one message too many is better than an incident that stays open
	}
	return Highest(a.Level, a.RouteLevel)
}

// InCampaign is the alert of a campaign whose most urgent alert so far has a level (empty: there
// was none), and that level with this alert. What ends the campaign goes to each sink that got one
// of its alerts.
func (a Alert) InCampaign(most Level) (Alert, Level) {
	switch {
	case a.EndsCampaign():
		a.RouteLevel = Highest(a.RouteLevel, most)
	case !a.Answers():
		most = Highest(most, a.Level)
	}
	return a, most
}

// urgencies are the urgencies of each level above informational: of an alert about a loss,
// and of one that anybody can cause.
var urgencies = map[Level][2]int{Critical: {0, 2}, High: {1, 3}, Medium: {4, 5}, Low: {6, 7}}

// needsNoPermission reports whether the alert may be caused by a caller without any
// permission, or by a record that names only flow logs which the snapshot does not know:
// both can be repeated without end.
func (a Alert) needsNoPermission() bool {
	if a.Repeats != nil {
		return true // others are not summed up
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

// unknown reports whether the snapshot does not know the flow log: it has the resource of
// each that it knows.
func (f FlowLog) unknown() bool { return f.ResourceID == "" }

const (
	// Late is the time after a deletion from which on its alert is late, and the time after
	// an alert from which on its delivery is late.
	Late = time.Minute
	// MinRing is the least time that a pager incident stays open if the alert was late, or
	// names a flow log that the snapshot does not know.
	MinRing = 5 * time.Minute
)

// RingsOn reports whether the incident that this alert opens stays open for MinRing after
// the alert was delivered to a sink. Nobody would notice a page that is resolved at once.
func (a Alert) RingsOn() bool {
	if a.Kind != Deletion {
		return false
	}
	return a.DeletedAt != nil && a.Time.Sub(a.DeletedAt.Time) > Late || a.namesUnknown()
}
