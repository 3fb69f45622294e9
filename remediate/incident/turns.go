package incident

import "time"

// Turns are how many incidents of one scope a step takes up.
//
// First attempts come before others, the longest known lineages first (see Seniority); then
// what was tried before, or shown alive by the last observation, the longest overdue first.
// After these come restored ones, those that lack tags first, and ended ones that a record may
// open again, the longest overdue first; and last those whose flow log the snapshot does not
// know.
type Turns struct {
	Creates int // that may need a create
	Retries int // of these: at least so many that were tried before
	Tags    int // restored, whose replacement lacks tags
	Others  int // that need none
}

// Seniority orders first attempts: an earlier time comes first. A replacement is as old as
// its root, so that restores make nothing younger; and whatever delivers to where nothing
// did at the first refresh comes after all others: an attacker's new flow logs delay none
// of them.
func (i Incident) Seniority() time.Time {
	if i.LateDestination {
		return i.FirstSeenAt.AddDate(100, 0, 0)
	}
	return i.FirstSeenAt
}
