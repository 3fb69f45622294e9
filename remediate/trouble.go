package remediate

import (
	"time"

	"flowkeeper/alert"
	"flowkeeper/inventory"
)

// Part of the pipeline that may fail: one pager incident for each and scope,
// from the first alert until all of it works again.
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

// TroubleKey is the dedup key of what is wrong with a part.
func TroubleKey(s inventory.Scope, p Part) string {
	return alert.DedupKey(s.String(), "pipeline "+string(p))
}

// tellEnd tells that a part works again, if people were told that it does not
// and nothing has told them since.
func tellEnd(tx Tx, s inventory.Scope, p Part, text string, now time.Time) error {
	told, err := tx.Trouble(s, p)
	if err != nil || !told {
		return err
	}
	a := newsAlert(s, alert.Pipeline, alert.Informational, nil, now)
	a.ID, a.DedupKey, a.RouteLevel, a.Cause = alert.ID(a.ID, string(p)), TroubleKey(s, p), alert.High, text
	if err := tx.SetTrouble(s, p, false); err != nil {
		return err
	}
	return add(tx, a)
}
