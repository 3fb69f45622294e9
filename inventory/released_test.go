package inventory

import (
	"testing"
	"time"
)

// TestReleasedFromItsSecondOn: CloudTrail's times are whole seconds, but the time of a release has milliseconds. A
// deletion in the same second counts as after the release.
func TestReleasedFromItsSecondOn(t *testing.T) {
	t.Parallel()
	second := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	row := Row{ReleasedAt: second.Add(700 * time.Millisecond), ReleasedUntil: second.Add(time.Hour)}
	for at, want := range map[time.Time]bool{
		second.Add(-time.Second): false, second: true, second.Add(time.Hour - 1): true, second.Add(time.Hour): false,
	} {
		t.Run(at.Sub(second).String(), func(t *testing.T) {
			t.Parallel()
			if got := row.Released(at); got != want {
				t.Errorf("released at %v: %t, want %t", at, got, want)
			}
		})
	}
	if (Row{}).Released(second) {
		t.Error("released without a release")
	}
}
