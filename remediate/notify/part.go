package notify

import (
	"time"

	"flowkeeper/alert"
	"flowkeeper/inventory"
)

// Part is a part of the pipeline that may fail. Each part of each scope has one incident at a
// pager, from the first alert until everything in that part works again.
type Part string

const (
	Delivering Part = "delivery"  // AWS delivers what protected flow logs record
	Rehearsing Part = "rehearsal" // AWS would allow to restore them
	Returning  Part = "events"    // the records of rehearsals arrive through the queue
	Reaching   Part = "aws"       // AWS can be reached
	Receiving  Part = "queue"     // the queue answers
	Refreshing Part = "refresh"   // the inventory can be refreshed
	Copying    Part = "backup"    // the state file can be copied to S3
)

// ReadingLogFiles is the part that reads CloudTrail's log files; the bucket's name follows.
const ReadingLogFiles Part = "log_files"

// OutageKey is the dedup key of the alert that a part fails, and of the one that it works
// again.
func OutageKey(s inventory.Scope, p Part) string {
	return alert.DedupKey(s.String(), "pipeline "+string(p))
}

// OutageAfter says what alerts that are added in one commit, in this order, make known of a part:
// that it fails (alerted), or that it works again. Only an alert with the part's OutageKey says so;
// told is false if there is none.
func OutageAfter(s inventory.Scope, p Part, alerts []alert.Alert) (alerted, told bool) {
	for _, a := range alerts {
		if a.DedupKey == OutageKey(s, p) {
			alerted, told = !a.Resolves(), true
		}
	}
	return alerted, told
}

// OutageEnd is the alert that a part works again. text says what works.
func OutageEnd(s inventory.Scope, p Part, text string, now time.Time) alert.Alert {
	a := ScopeAlert(s, alert.Pipeline, alert.Informational, nil, now)
	a.ID, a.DedupKey, a.RouteLevel, a.Cause = alert.ID(a.ID, string(p)), OutageKey(s, p), alert.High, text
	return a
}
