package backup

import (
	"time"

	"flowkeeper/internal/retry"
)

// Schedule says when a copy is due: when there was no change for quiet, or longest after the
// first change, and each day. With the zero Schedule a copy is due at once. It has no clock, and
// is not safe for concurrent use.
type Schedule struct {
	first, latest time.Time // changes since the last copy; zero: there were none
	saved         time.Time // when a copy was last tried; zero: never
	failures      int       // in a row
}

const (
	quiet   = 30 * time.Second // without a change
	longest = 5 * time.Minute  // after the first change
	daily   = 24 * time.Hour
)

// rests are the pauses between two copies, after no failure, one, and so on.
var rests = retry.Backoff{First: time.Minute, Most: 16 * time.Minute}

// Changed notes that something was written.
func (s *Schedule) Changed(now time.Time) {
	if s.first.IsZero() {
		s.first = now
	}
	s.latest = now
}

// Saved notes the result of a copy, and when it began.
func (s *Schedule) Saved(begun time.Time, err error) {
	s.saved = begun
	if err != nil {
		s.failures++
		return
	}
	s.first, s.failures = time.Time{}, 0
}

// Stale reports whether something was written since the last copy.
func (s *Schedule) Stale() bool { return !s.first.IsZero() }

// Due reports whether to make a copy now. After failures the pauses grow.
func (s *Schedule) Due(now time.Time) bool {
	if !s.saved.IsZero() && now.Sub(s.saved) < rests.Pause(s.failures) {
		return false
	}
	if s.failures > 0 || s.saved.IsZero() || now.Sub(s.saved) >= daily {
		return true
	}
	return s.Stale() && (now.Sub(s.latest) >= quiet || now.Sub(s.first) >= longest)
}
