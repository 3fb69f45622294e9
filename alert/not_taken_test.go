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

// TestI7ASinkTakesAlertsAgain: that is alerted if people know that it took none, and nothing is left that it has not
// taken.
func TestI7ASinkTakesAlertsAgain(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 3, 1, 23, 0, 0, 0, time.UTC)
	given := alert.Alert{ID: "alrt_1", Kind: alert.Deletion, Time: alert.Time{Time: now}}
	notice, day, _ := alert.NotTaken("pager", given, "down", "", now)
	for name, tt := range map[string]struct {
		last string
		left bool
		ok   bool
	}{
		"nobody was alerted":                    {"", false, false},
		"nobody was alerted, and one is left":   {"", true, false},
		"all is taken":                          {day, false, true},
		"all is taken, days later":              {"2026-02-20", false, true},
		"one is left":                           {day, true, false},
		"one is left that nobody is alerted of": {"2026-02-20", true, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			end, ok := alert.TakesAgain("pager", tt.last, tt.left, now)
			if ok != tt.ok {
				t.Fatalf("%v, want %v", ok, tt.ok)
			}
			if !ok {
				return
			}
			if end.DedupKey != notice.DedupKey || !end.Resolves() || end.RoutingLevel() != notice.RoutingLevel() || end.Target != "pager" {
				t.Errorf("it does not resolve the notice: %+v", end)
			}
			if _, _, again := alert.NotTaken("chat", end, "down", "", now); again {
				t.Error("there is a notice about it")
			}
		})
	}
}
