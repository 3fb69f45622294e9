package notify

import (
	"time"

	"flowkeeper/alert"
	"flowkeeper/inventory"
)

// OutageKey is the dedup key of the alert that a part fails, and of the one that it works
// again.
func OutageKey(s inventory.Scope, p alert.Part) string {
	return alert.DedupKey(s.String(), "pipeline "+string(p))
}

// OutageNote is what the commit that adds alerts has to note of a part.
type OutageNote struct {
	Scope   inventory.Scope
	Part    alert.Part
	Alerted bool // the last alert says that the part fails; false: that it works again
}

// OutageAfter says what alerts that are added in one commit, in this order, make known of a part. Only an
// alert with the part's OutageKey says anything of it; nil: there is none, so that nothing is to be noted.
func OutageAfter(s inventory.Scope, p alert.Part, alerts []alert.Alert) (note *OutageNote) {
	for _, a := range alerts {
		if a.DedupKey == OutageKey(s, p) {
			note = &OutageNote{Scope: s, Part: p, Alerted: !a.Resolves()}
		}
	}
	return note
}

// OutageAlert is the alert that a part fails, in the words of text. Its ID differs from those of alerts about other parts,
// and about single flow logs, at the same time.
func OutageAlert(s inventory.Scope, p alert.Part, level alert.Level, text string, now time.Time) alert.Alert {
	a := ScopeAlert(s, alert.Pipeline, level, nil, now)
	a.ID, a.DedupKey, a.Cause = alert.ID(a.ID, string(p)), OutageKey(s, p), text
	return a
}

// OutageEnd is the alert that a part works again, in the words of text. It goes to the sinks that an alert of the level
// high goes to.
func OutageEnd(s inventory.Scope, p alert.Part, text string, now time.Time) alert.Alert {
	a := OutageAlert(s, p, alert.Informational, text, now)
	a.RouteLevel = alert.High
	return a
}
