package backup

import (
	"errors"
	"testing"
	"time"
)

func TestWhenCopiesAreDue(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	ago := func(d time.Duration) time.Time { return now.Add(-d) }
	for name, c := range map[string]struct {
		schedule Schedule
		due      bool
	}{
		"at the start":                  {Schedule{}, true},
		"nothing changed":               {Schedule{saved: ago(time.Hour)}, false},
		"a day without a change":        {Schedule{saved: ago(24 * time.Hour)}, true},
		"just changed":                  {Schedule{saved: ago(time.Hour), first: ago(time.Second), latest: ago(time.Second)}, false},
		"quiet again":                   {Schedule{saved: ago(time.Hour), first: ago(40 * time.Second), latest: ago(30 * time.Second)}, true},
		"change after change":           {Schedule{saved: ago(time.Hour), first: ago(5 * time.Minute), latest: now}, true},
		"the last copy is a moment ago": {Schedule{saved: ago(50 * time.Second), first: ago(40 * time.Second), latest: ago(40 * time.Second)}, false},
		"failed a minute ago":           {Schedule{saved: ago(time.Minute), failures: 1}, false},
		"failed, and time has passed":   {Schedule{saved: ago(2 * time.Minute), failures: 1}, true},
		"failed for long":               {Schedule{saved: ago(16 * time.Minute), failures: 100}, true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if got := c.schedule.Due(now); got != c.due {
				t.Errorf("due %v", got)
			}
		})
	}
}

// TestAScheduleOfCopies: copies are due at the start, half a minute after a change, two minutes after a failure, and
// after a day without a change.
func TestAScheduleOfCopies(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	var s Schedule
	for _, step := range []struct {
		after   time.Duration
		changed bool
		fails   error
		due     bool // and a copy is made then
	}{
		{due: true},
		{after: time.Hour, changed: true},
		{after: 29 * time.Second},
		{after: time.Second, due: true, fails: errors.New("no bucket")},
		{after: time.Minute},
		{after: time.Minute, due: true},
		{after: time.Hour},
		{after: 23 * time.Hour, due: true},
	} {
		now = now.Add(step.after)
		if step.changed {
			s.Changed(now)
		}
		if s.Due(now) != step.due {
			t.Fatalf("at %s: due %v", now, !step.due)
		}
		if step.due {
			s.Saved(now, step.fails)
			if s.Stale() != (step.fails != nil) {
				t.Errorf("at %s: stale %v", now, s.Stale())
			}
		}
	}
}
