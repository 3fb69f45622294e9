package incident

import (
	"time"

	"flowkeeper/inventory"
)

// MaxLineage bounds how many replacements are followed: there are no circles, but a
// damaged file might have one.
const MaxLineage = 1000

// Successor follows the lineage of a flow log to its last replacement: the ID itself
// where it was never replaced.
func (t *Tables) Successor(id string) string {
	for range MaxLineage {
		i, ok := t.Incident(id)
		if !ok || i.NewID == "" {
			break
		}
		id = i.NewID
	}
	return id
}

// wasLost reports whether a flow log can't be a replacement, because it was lost itself. next is its
// incident.
func (t *Tables) wasLost(id string) (next Incident, lost bool) {
	next, found := t.Incident(id)
	if found && !next.closedAs(StillThere) {
		return next, true
	}
	row, known := t.rows.byID[id]
	return next, known && row.State == inventory.Gone
}

// circle returns the incident that adopted an ancestor of its own flow log, so that the lineage leads back to lostID.
// A stale observation may have shown the ancestor alive. Without circle, each incident would rely on the other.
func (t *Tables) circle(i Incident, lostID string) (back Incident, found bool) {
	for range MaxLineage {
		if i.Pending() || i.NewID == "" {
			return back, false
		}
		if i.Adopted || back.FlowLogID == "" {
			back = i
		}
		if i.NewID == lostID {
			return back, true
		}
		next, ok := t.Incident(i.NewID)
		if !ok {
			return back, false
		}
		i = next
	}
	return back, false
}

// FlappingWindow is how long a restore of a lineage counts for Policy.MaxRestores. A Case must have the
// incidents of its lineages that were restored within that time before its Now.
const FlappingWindow = time.Hour

// restores are the incidents of one root that were restored within FlappingWindow before a time.
func (t *Tables) restores(root string, now time.Time) (out []Incident) {
	since := now.Add(-FlappingWindow)
	for _, i := range t.incidents.byID {
		if i.RootID == root && i.RestoredAt.After(since) && !i.RestoredAt.After(now) { // the clock may have gone back
			out = append(out, i)
		}
	}
	return out
}
