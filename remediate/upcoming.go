package remediate

import "time"

// Upcoming is when the next things of a scope are due; the zero time: never.
type Upcoming struct {
	Own      time.Time // an incident, an event or a burst of the scope
	Unscoped time.Time // a burst of no scope
	First    bool      // the scope is the first one that the state file names
	Now      time.Time
	Latest   time.Time // a due time after this one was written before the clock went back: it counts as now
}

// unscopedDelay is how much later than the restorer of the first scope the other restorers
// handle a burst of no scope. So thousands of restorers do not wake for one burst at the same
// moment, and another one handles it if that of the first scope does not work.
const unscopedDelay = time.Minute

// At is when the restorer of the scope has something to do; the zero time: never.
func (u Upcoming) At() time.Time {
	unscoped := u.Unscoped
	if !unscoped.IsZero() && !u.First {
		unscoped = unscoped.Add(unscopedDelay)
	}
	at := u.Own
	if at.IsZero() || !unscoped.IsZero() && unscoped.Before(at) {
		at = unscoped
	}
	if at.After(u.Latest) {
		return u.Now
	}
	return at
}
