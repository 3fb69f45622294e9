package sink

import (
	"testing"
	"time"
)

// TestI7OneChoiceOfEightGoesByAge: every eighth choice takes the alert that has waited longest, if it has waited five
// minutes. The other choices go by urgency alone. So an endless stream of urgent alerts delays no other alert for ever.
func TestI7OneChoiceOfEightGoesByAge(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	var chooser Chooser
	for n := 1; n <= 24; n++ {
		want := Choice{Now: now}
		if n%8 == 0 {
			want.WaitingSince = now.Add(-5 * time.Minute)
		}
		if got := chooser.Next(now); got != want {
			t.Errorf("choice %d: %+v, want %+v", n, got, want)
		}
	}
}
