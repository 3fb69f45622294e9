package notify

import (
	"time"

	"flowkeeper/alert"
	"flowkeeper/inventory"
)

// Part of the pipeline that may fail. Each part of each scope has one incident at a pager,
// from the first alert until all of the part works again.
type Part string

const (
	Delivering Part = "delivery"  // AWS delivers what protected flow logs record
	Rehearsing Part = "rehearsal" // AWS would allow their restores
	Returning  Part = "events"    // rehearsals come back through the queue
	Reaching   Part = "aws"       // AWS can be reached
	Receiving  Part = "queue"     // it answers
	Refreshing Part = "refresh"   // the inventory
	Copying    Part = "backup"    // the state file, to another place
)

// OutageKey is the dedup key of the alerts that a part fails, and that it works again.
func OutageKey(s inventory.Scope, p Part) string {
	return alert.DedupKey(s.String(), "pipeline "+string(p))
}

// OutageEnd is the alert that a part works again; text says what works.
func OutageEnd(s inventory.Scope, p Part, text string, now time.Time) alert.Alert {
	a := ScopeAlert(s, alert.Pipeline, alert.Informational, nil, now)
	a.ID, a.DedupKey, a.RouteLevel, a.Cause = alert.ID(a.ID, string(p)), OutageKey(s, p), alert.High, text
	return a
}
