package sink

import (
	"testing"
	"time"
)

// TestI7OneTurnOfEightGoesByAge: every eighth turn takes the alert that has waited longest, if it has waited five
// minutes. The other turns go by urgency alone. So an endless stream of urgent alerts delays no other alert for ever.
func TestI7OneTurnOfEightGoesByAge(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	var turns Turns
	for n := 1; n <= 24; n++ {
		want := Turn{Now: now}
		if n%8 == 0 {
			want.WaitingSince = now.Add(-5 * time.Minute)
		}
		if got := turns.Next(now); got != want {
			t.Errorf("turn %d: %+v, want %+v", n, got, want)
		}
	}
}
