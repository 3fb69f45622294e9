package alert_test

import (
	"testing"
	"time"

	"flowkeeper/alert"
)

// TestI7OneNoticeADayOfASinkThatTakesNone: if a sink takes no alerts, the other sinks get one notice a day. There is no
// notice about a notice.
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

// TestI7ASinkTakesAlertsAgain: an alert says that a sink takes alerts again if a notice has said that it took none, and
// if no alert is left that it has not taken.
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
		"there was no notice":                       {"", false, false},
		"there was no notice, and an alert is left": {"", true, false},
		"all alerts are taken":                      {day, false, true},
		"all alerts are taken, days later":          {"2026-02-20", false, true},
		"an alert is left":                          {day, true, false},
		"an alert is left, days later":              {"2026-02-20", true, false},
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
				t.Errorf("the alert does not resolve the notice: %+v", end)
			}
			if _, _, again := alert.NotTaken("chat", end, "down", "", now); again {
				t.Error("there is a notice about the alert that a sink takes alerts again")
			}
		})
	}
}
