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

// Due is what is due in a scope, by class, each in the order of its turns. T is an incident, or what one is read from.
type Due[T any] struct {
	First   []T // attempts
	Again   []T // tried before, or shown alive by the last observation
	Tags    []T // restored, and the replacement lacks tags; at most Turns.Tags
	Back    []T // restored or ended otherwise; at most Turns.Others
	Unknown []T // the snapshot does not know the flow log
}

// Pick is what a step takes up of that, in the order of the turns. What was tried before has the
// places of Retries, and those that first attempts leave free.
func (d Due[T]) Pick(t Turns) (out []T) {
	upTo := func(n int, of []T) []T { return of[:max(0, min(n, len(of)))] }
	again := upTo(max(t.Retries, t.Creates-len(d.First)), d.Again)
	for _, class := range [][]T{upTo(t.Creates-len(again), d.First), again, d.Tags, d.Back, upTo(t.Others-len(d.Back), d.Unknown)} {
		out = append(out, class...)
	}
	return out
}

// PastTurns counts the tries since an incident was opened, and the observations in a row that showed the
// flow log alive. While it is 0, an open incident is among the first attempts of what is due, else among
// what was tried before: see Due.
func PastTurns(i Incident) int { return i.Tried + i.TimesAlive }

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
