package incident

import (
	"testing"
	"time"
)

// TestEventClampTimes: the clock has gone back by days. If no alert has said yet that the flow logs of an event are not
// back, the event is due within five minutes, and not only after a day.
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
				t.Errorf("overdue in %s, want %s", got, c.want)
			}
		})
	}
	if e := (Event{}).ClampTimes(now); !e.OverdueAt.IsZero() {
		t.Errorf("an event without a time is overdue at %s", e.OverdueAt)
	}
}

// TestFirstOverdue: an incident that was opened while the clock was ahead is overdue five minutes from now.
func TestFirstOverdue(t *testing.T) {
	t.Parallel()
	lost := pending("fl-1", func(i *Incident) { i.OpenedAt = now.AddDate(0, 0, 10) })
	if got := FirstOverdue([]Incident{lost}, policy, now).Sub(now); got != OverdueAfter {
		t.Errorf("overdue in %s, want %s", got, OverdueAfter)
	}
}
