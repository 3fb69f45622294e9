package incident

import (
	"testing"
	"time"
)

// TestEventClampTimes: after the clock has gone back by days, an event of which no alert said yet
// that its flow logs are not back is looked at within five minutes, not after a day.
func TestEventClampTimes(t *testing.T) {
	t.Parallel()
	ahead := now.AddDate(0, 0, 10)
	for name, c := range map[string]struct {
		alerted bool
		want    time.Duration
	}{
		"no alert yet": {false, OverdueAfter},
		"a reminder":   {true, RemindAfter},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			e := Event{OverdueAt: ahead, StuckAlerted: c.alerted}.ClampTimes(now)
			if got := e.OverdueAt.Sub(now); got != c.want {
				t.Errorf("overdue in %s, not %s", got, c.want)
			}
		})
	}
	if e := (Event{}).ClampTimes(now); !e.OverdueAt.IsZero() {
		t.Errorf("an event that owes nothing is overdue at %s", e.OverdueAt)
	}
}

// TestFirstOverdue: what was lost by a clock that was ahead is overdue five minutes from now.
func TestFirstOverdue(t *testing.T) {
	t.Parallel()
	lost := pending("fl-1", func(i *Incident) { i.OpenedAt = now.AddDate(0, 0, 10) })
	if got := FirstOverdue([]Incident{lost}, policy, now).Sub(now); got != OverdueAfter {
		t.Errorf("overdue in %s", got)
	}
}
