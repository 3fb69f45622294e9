package incident

import (
	"strings"
	"time"
)

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

// TurnClass is what the turn of an incident that is due goes by.
type TurnClass string

// Classes, in the order of the turns.
const (
	FirstTry    TurnClass = "first"   // it was not tried since it was opened
	TriedBefore TurnClass = "again"   // or shown alive by the last observation
	LackingTags TurnClass = "tags"    // restored, and the replacement is to get tags
	NotPending  TurnClass = "back"    // restored, or ended otherwise
	OfUnknown   TurnClass = "unknown" // the snapshot does not know the flow log
)

// TurnClassOf is the class of an incident. The store's SQL decides the same from its columns, because it reads no more
// incidents of each class than have a turn.
func TurnClassOf(i Incident) TurnClass {
	switch {
	case !i.Known:
		return OfUnknown
	case i.State == Open && PastTurns(i) == 0:
		return FirstTry
	case i.Pending():
		return TriedBefore
	case strings.HasPrefix(i.CallKey(), TagsCalls):
		return LackingTags
	}
	return NotPending
}

// PastTurns counts the tries since an incident was opened, and the observations in a row that showed the
// flow log alive.
func PastTurns(i Incident) int { return i.Tried + i.TimesAlive }

// Due is what is due in a scope, by class, each in the order of its turns: of LackingTags at most Turns.Tags, of
// NotPending at most Turns.Others. T is an incident, or what one is read from.
type Due[T any] map[TurnClass][]T

// Pick is what a step takes up of that, in the order of the turns. What was tried before has the
// places of Retries, and those that first attempts leave free.
func (d Due[T]) Pick(t Turns) (out []T) {
	upTo := func(n int, of []T) []T { return of[:max(0, min(n, len(of)))] }
	again := upTo(max(t.Retries, t.Creates-len(d[FirstTry])), d[TriedBefore])
	for _, class := range [][]T{upTo(t.Creates-len(again), d[FirstTry]), again, d[LackingTags], d[NotPending], upTo(t.Others-len(d[NotPending]), d[OfUnknown])} {
		out = append(out, class...)
	}
	return out
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
