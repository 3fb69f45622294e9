package incident

import (
	"time"

	"flowkeeper/alert"
	"flowkeeper/inventory"
)

// Whoever can write the place of the copies of the state file can have written all of
// one. What a copy says of what was there and is to come back counts, and nothing
// in it that loosens.

// RowFromCopy is a row of a copy, as far as it counts.
func RowFromCopy(r inventory.Row) inventory.Row {
	r.ReleasedUntil, r.ReleasedAt, r.ReleaseReason = time.Time{}, time.Time{}, ""
	if !r.Protected {
		// A decoy, or outside of inventory.destinations: the next refresh decides about
		// each row that is excluded and should not be.
		r.Excluded = true
	}
	if r.Held {
		r.Held, r.NewDestination = false, true // as for a new state file, but for an alert
	}
	if r.State != inventory.Live {
		// Gone for good, until a listing shows it: like an imported one, for a listing
		// revives no gone row.
		r.State, r.Imported = inventory.Live, true
	}
	return r
}

// CopyFate is what becomes of an incident of a copy.
type CopyFate int

// What IncidentFromCopy says.
const (
	KeptAsIs   CopyFate = iota
	KeptDue             // it is tried at once, and its event is kept, too
	KeptClosed          // AWS shows its flow log: it ends, so that a record of one more deletion counts
	NotKept             // it would end as it begins: nothing is to come back
)

// IncidentFromCopy is an incident of a copy as far as it counts, beside the row that the copy has of
// its flow log.
func IncidentFromCopy(i Incident, r inventory.Row, now time.Time) (Incident, CopyFate) {
	live := r.State == inventory.Live
	i.MissingTags, i.Untried = nil, false // a copy sets no tags
	if i.Group != "" || i.Call != nil {   // its call may have been sent after the copy was made
		i.Group, i.Call = "", &SentCall{At: now, Final: true}
	}
	switch {
	case i.Pending() && (live || r.Protected):
		i.WaitUntil, i.NextAttemptAt = time.Time{}, now // nobody waits for what a rule, or the copy, says
		i.StuckAlertedAt, i.Stuck, i.StuckNews = time.Time{}, nil, false
		return i, KeptDue
	case i.Pending():
		return i, NotKept
	case live && !i.Listens():
		return i.Listening(now), KeptClosed
	}
	return i, KeptAsIs
}

// StaysWithoutRow reports whether an incident of a copy stays that has no row of its flow log:
// only where that is unknown. Of what a listing shows anew, no record would count else.
func StaysWithoutRow(i Incident) bool {
	return !i.Known && (i.State == Open || i.State == Closed && i.Reason == Unknown)
}

// EventFromCopy is the event of an incident of a copy, which may not be in the copy. People
// get an alert, in five minutes at the latest, of what is to come back and is not:
// whatever the copy says that they have got.
func EventFromCopy(i Incident, e Event, inCopy bool, now time.Time) Event {
	if !inCopy {
		e = Event{Source: i.Source, Level: alert.High, DetectedAt: now, DeletionAlertedAt: now}
	}
	if e.DeletionAlertedAt.IsZero() && e.Source != ByDrift || e.DeletionAlertedAt.After(now) {
		e.DeletionAlertedAt = now // or no alert would say anything of it
	}
	e.Scope, e.ID, e.Unknown, e.ClosedAlertedAt = i.Scope, i.EventID, false, time.Time{}
	e.DueAt, e.StuckAt, e.OverdueAt = now, time.Time{}, now.Add(5*time.Minute)
	return e
}
