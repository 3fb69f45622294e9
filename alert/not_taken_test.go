package alert_test

import (
	"testing"
	"time"

	"flowkeeper/alert"
)

// TestI7OneNoticeADayOfASinkThatTakesNone: the next day there is another one, and none about a
// notice itself.
func TestI7OneNoticeADayOfASinkThatTakesNone(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 3, 1, 23, 0, 0, 0, time.UTC)
	given := alert.Alert{ID: "alrt_1", Kind: alert.Deletion, Time: alert.Time{Time: now}}
	first, _, _ := alert.NotTaken("pager", given, "down", "", now)
	for name, tt := range map[string]struct {
		given alert.Alert
		last  string
		after time.Duration
		day   string
		ok    bool
	}{
		"the first one":            {given, "", 0, "2026-03-01", true},
		"on the same day":          {given, "2026-03-01", 30 * time.Minute, "2026-03-01", false},
		"on the next day":          {given, "2026-03-01", time.Hour, "2026-03-02", true},
		"about a notice":           {first, "", 0, "", false},
		"about a notice, next day": {first, "2026-03-01", time.Hour, "2026-03-01", false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, day, ok := alert.NotTaken("pager", tt.given, "down", tt.last, now.Add(tt.after))
			if day != tt.day || ok != tt.ok {
				t.Errorf("%q, %v; want %q, %v", day, ok, tt.day, tt.ok)
			}
		})
	}
}
