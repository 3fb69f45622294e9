package incident

import "time"

// Later is the later of two times.
func Later(a, b time.Time) time.Time {
	if b.After(a) {
		return b
	}
	return a
}

// Soonest is the earliest of some times. Zero ones mean never and do not count; zero:
// all of them mean never.
func Soonest(times ...time.Time) (first time.Time) {
	for _, t := range times {
		if first.IsZero() || !t.IsZero() && t.Before(first) {
			first = t
		}
	}
	return first
}

// Earlier is the earlier of two times.
func Earlier(a, b time.Time) time.Time {
	if b.Before(a) {
		return b
	}
	return a
}

// IsRecent reports whether a time lies less than within before now. The zero time does not, nor
// does one ahead: the clock has gone back.
func IsRecent(at, now time.Time, within time.Duration) bool {
	age := now.Sub(at)
	return !at.IsZero() && age >= 0 && age < within
}

// wholeSecond is the first whole second that is not before a time: replacements that are
// to be verified at about the same time are observed in one call.
func wholeSecond(t time.Time) time.Time {
	if whole := t.Truncate(time.Second); whole.Before(t) {
		return whole.Add(time.Second)
	}
	return t
}
