package remediate_test

import (
	"testing"
	"time"

	"flowkeeper/remediate"
)

// TestUpcoming: the restorer of the first scope handles a burst without a scope when it is due, and any other
// restorer a minute later.
func TestUpcoming(t *testing.T) {
	t.Parallel()
	noon := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	after := func(d time.Duration) time.Time { return noon.Add(d) }
	for name, tt := range map[string]struct {
		upcoming remediate.Upcoming
		want     time.Time
	}{
		"nothing": {},
		"own":     {remediate.Upcoming{Own: noon}, noon},
		"without a scope, for the first restorer":  {remediate.Upcoming{Unscoped: noon, First: true}, noon},
		"without a scope, for another restorer":    {remediate.Upcoming{Unscoped: noon}, after(time.Minute)},
		"own before that without a scope":          {remediate.Upcoming{Own: noon, Unscoped: after(time.Second), First: true}, noon},
		"that without a scope before own":          {remediate.Upcoming{Own: after(time.Second), Unscoped: noon, First: true}, noon},
		"own within the minute":                    {remediate.Upcoming{Own: after(time.Second), Unscoped: noon}, after(time.Second)},
		"that without a scope after the minute":    {remediate.Upcoming{Own: after(10 * time.Minute), Unscoped: noon}, after(time.Minute)},
		"own, and the clock went back":             {remediate.Upcoming{Own: after(time.Hour)}, noon},
		"without a scope, and the clock went back": {remediate.Upcoming{Unscoped: after(time.Hour)}, noon},
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
