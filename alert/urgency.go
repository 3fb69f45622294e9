package alert

import "time"

// Urgency is the alert's place among those that a sink has not got yet: 0 goes
// first, and of two that are equal the older one.
//
// It is the level at which the alert is routed, so that what answers an alert
// goes with it. One kind of alert stands back: what somebody can cause who has
// no permission at all, or a record that was made up. However urgent such alerts
// are, they come after every high and critical alert about what was lost: a flood
// of refused calls must not delay the one that says what is gone.
func (a Alert) Urgency() int {
	level, anybody := a.routeLevel(), a.needsNoPermission()
	switch {
	case level == Critical && !anybody:
		return 0
	case level == High && !anybody:
		return 1
	case level == Critical:
		return 2
	case level == High:
		return 3
	case level == Medium && !anybody:
		return 4
	case level == Medium:
		return 5
	case level == Low && !anybody:
		return 6
	case level == Low:
		return 7
	case !anybody:
		return 8
	}
	return 9
}

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
		for _, f := range a.FlowLogs {
			if f.ResourceID != "" {
				return false
			}
		}
		return len(a.FlowLogs) > 0
	}
	return false
}

// namesUnknown reports whether the alert names a flow log that the snapshot
// does not know.
func (a Alert) namesUnknown() bool {
	for _, f := range a.FlowLogs {
		if f.ResourceID == "" {
			return true
		}
	}
	return false
}

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
