package remediate_test

import (
	"testing"
	"time"

	"flowkeeper/remediate"
)

// TestUpcoming: a burst of no scope is for the restorer of the first scope, and a minute later
// for any.
func TestUpcoming(t *testing.T) {
	t.Parallel()
	noon := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	after := func(d time.Duration) time.Time { return noon.Add(d) }
	for name, tt := range map[string]struct {
		upcoming remediate.Upcoming
		want     time.Time
	}{
		"nothing":                           {},
		"of its own":                        {remediate.Upcoming{Own: noon}, noon},
		"of no scope, for the first one":    {remediate.Upcoming{Unscoped: noon, First: true}, noon},
		"of no scope, for another one":      {remediate.Upcoming{Unscoped: noon}, after(time.Minute)},
		"its own before that of no scope":   {remediate.Upcoming{Own: noon, Unscoped: after(time.Second), First: true}, noon},
		"that of no scope before its own":   {remediate.Upcoming{Own: after(time.Second), Unscoped: noon, First: true}, noon},
		"its own within the minute":         {remediate.Upcoming{Own: after(time.Second), Unscoped: noon}, after(time.Second)},
		"that of no scope after the minute": {remediate.Upcoming{Own: after(10 * time.Minute), Unscoped: noon}, after(time.Minute)},
		"the clock went back":               {remediate.Upcoming{Own: after(time.Hour)}, noon},
		"that of no scope, too":             {remediate.Upcoming{Unscoped: after(time.Hour)}, noon},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			tt.upcoming.Now, tt.upcoming.Latest = noon, after(20*time.Minute)
			if got := tt.upcoming.At(); !got.Equal(tt.want) {
				t.Errorf("%s, want %s", got, tt.want)
			}
		})
	}
}
