package incident

import (
	"slices"
	"time"

	"flowkeeper/alert"
	"flowkeeper/inventory"
)

// An attacker with write access to the bucket may have written all of a copy of the state
// file. What it says of flow logs that were there, or are to come back, counts. What would
// weaken protection does not.

// RowFromCopy is a row of a copy, as far as it counts.
func RowFromCopy(r inventory.Row) inventory.Row {
	r.EndRelease()
	r.DecoyNotice = nil // the next refresh decides whether it is a decoy
	if !r.Protected {
		// A decoy, or outside of inventory.destinations: the next refresh decides about
		// each row that is excluded and should not be.
		r.Excluded = true
	}
	if r.Held {
		r.Held, r.NewDestination = false, true // as with a new state file it is not held; but an alert names its destination
	}
	if r.State != inventory.Live {
		// Gone, until a listing shows it. It counts as imported, because a listing does not
		// make a gone row live again.
		r.State, r.Imported = inventory.Live, true
	}
	return r
}

// CopyFate is what becomes of an incident of a copy.
type CopyFate int

// What FromCopy says.
const (
	KeptAsIs    CopyFate = iota
	KeptEarlier          // its restore counts as so long ago that it does not count for flapping
	KeptDue              // it is tried at once, and its event is kept, too
	KeptClosed           // the copy has its flow log as live: it is closed, so that a record of one more deletion counts
	NotKept              // its flow log is neither live nor protected: there is nothing to restore
)

// FromCopy is an incident of a copy, as far as it counts, and what becomes of it. r is the row
// that the copy has of its flow log.
func FromCopy(i Incident, r inventory.Row, now time.Time) (Incident, CopyFate) {
	if !isRandomToken(i.RandomToken) { // AWS would refuse it
		i.RandomToken = ""
	}
	was, live := i, r.State == inventory.Live
	i.MissingTags, i.Untried = nil, false // a copy sets no tags
	if i.Group != "" || i.Call != nil {   // its call may have been sent after the copy was made
		i.Group, i.Call = "", &SentCall{At: now, Final: true}
	}
	switch {
	case !slices.Contains([]State{Open, Blocked, Restored, Verified, Closed}, i.State):
		return i, NotKept
	case i.Pending() && (live || r.Protected):
		i.WaitUntil, i.NextAttemptAt = time.Time{}, now // a wait of a rule, or of the copy, does not count
		i.StuckAlertedAt, i.Stuck, i.StuckNews = time.Time{}, nil, false
		i.RestoredAt = time.Time{} // it is not back, and the time would count for flapping
		return i, KeptDue
	case i.Pending():
		return i, NotKept
	case live && !i.countsRecord():
		return i.closedAlive(now), KeptClosed
	}
	if earlier := now.Add(-FlappingWindow); was.RestoredAt.After(earlier) { // forged restores would hold those of the lineage back
		was.RestoredAt = earlier
		return was, KeptEarlier
	}
	return was, KeptAsIs
}

// StaysWithoutRow reports whether an incident stays if the copy has no row of its flow log:
// only if the flow log is unknown. Any other incident would keep a later record from counting
// once a listing shows the flow log.
func StaysWithoutRow(i Incident) bool {
	return !i.Known && (i.State == Open || i.closedAs(Unknown))
}

// StaleFromCopy reports whether a scope is stale: flow logs that its next refresh does not find are alerted and not
// restored. It is stale if the copy was made, or the scope's last refresh in it (zero: none) began, longer ago than
// limit. The refresh counts, too, because an old copy that is written again has a new date.
func StaleFromCopy(made, refreshed, now time.Time, limit time.Duration) bool {
	return now.Sub(made) > limit || !refreshed.IsZero() && now.Sub(refreshed) > limit
}

// EventFromCopy is the event of an incident of a copy. inCopy: the copy has the event, e. Whatever
// alerts the copy says were sent, an alert within five minutes names what is not back.
func EventFromCopy(i Incident, e Event, inCopy bool, now time.Time) Event {
	if !inCopy {
		e = Event{Source: i.Source, Level: alert.High, DetectedAt: now, DeletionAlertedAt: now}
	}
	if e.DeletionAlertedAt.IsZero() && e.Source != ByDrift || e.DeletionAlertedAt.After(now) {
		e.DeletionAlertedAt = now // otherwise no alert would name it
	}
	e.Scope, e.ID, e.Unknown, e.RestoredAlertedAt, e.ClosedAlertedAt = i.Scope, i.EventID, false, time.Time{}, time.Time{}
	e.Deadline, e.StuckAt, e.OverdueAt = now, time.Time{}, now.Add(5*time.Minute)
	return e
}
