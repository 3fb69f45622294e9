package incident

import (
	"slices"
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
	Retries int // places of Creates that are kept for those tried before
	Tags    int // restored, whose replacement lacks tags
	Others  int // that need neither
}

// TurnClass is a class of incidents that are due. It decides about their turn.
type TurnClass string

// Classes, in the order of the turns.
const (
	FirstTry    TurnClass = "first"   // it was not tried since it was opened
	TriedBefore TurnClass = "again"   // it was, or the last observation showed the flow log alive, or it is blocked
	LackingTags TurnClass = "tags"    // restored, and the replacement is to get tags
	NotPending  TurnClass = "back"    // restored, or ended otherwise
	OfUnknown   TurnClass = "unknown" // the snapshot does not know the flow log
)

// TurnClassOf is the class of an incident. The store decides the same in SQL, so that it reads only as many incidents
// of each class as have a turn.
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

// Pick returns what a step takes up, in the order of the turns. Incidents that were tried before have the
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
// its root, so that a restore does not make a lineage younger. A flow log whose destination
// nothing delivered to at the first refresh comes after all others, so that an attacker's new
// flow logs do not delay them.
func (i Incident) Seniority() time.Time {
	if i.LateDestination {
		return i.FirstSeenAt.AddDate(100, 0, 0)
	}
	return i.FirstSeenAt
}

// WithSharing adds, to the incidents whose turn it is, those that may share a call with one of them, because
// one call restores them together. sharing reads the incidents of a CallKey, at most limit. WithSharing
// begins no further call once it has as many incidents as most; the next step takes the others.
func WithSharing(turns []Incident, most int, sharing func(key string, limit int) ([]Incident, error)) (due []Incident, err error) {
	read := map[string]bool{}
	for _, i := range turns {
		key := i.CallKey()
		if key == "" {
			due = append(due, i)
			continue
		}
		if read[key] || len(due) >= most {
			continue
		}
		read[key] = true
		some, err := sharing(key, most-len(due))
		if err != nil {
			return nil, err
		}
		due = append(due, some...)
		if !slices.ContainsFunc(some, func(o Incident) bool { return o.FlowLogID == i.FlowLogID }) {
			due = append(due, i) // the clock went back: sharing takes i for one that is due later
		}
	}
	return due, nil
}
