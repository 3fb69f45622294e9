package main

import (
	"testing"
	"time"
)

func TestSince(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]time.Time{
		"2h":                        noon.Add(-2 * time.Hour),
		"90m":                       noon.Add(-90 * time.Minute),
		"7d":                        noon.AddDate(0, 0, -7),
		"2w":                        noon.AddDate(0, 0, -14),
		"1d12h":                     noon.Add(-36 * time.Hour),
		"1w1d1.5h":                  noon.Add(-8*24*time.Hour - 90*time.Minute),
		"2026-02-28":                time.Date(2026, 2, 28, 0, 0, 0, 0, time.UTC),
		"2026-02-28 07:30":          time.Date(2026, 2, 28, 7, 30, 0, 0, time.UTC),
		"2026-02-28 07:30:15 UTC":   time.Date(2026, 2, 28, 7, 30, 15, 0, time.UTC),
		"2026-02-28T07:30:15+01:00": time.Date(2026, 2, 28, 6, 30, 15, 0, time.UTC),
		"2026-02-28T07:30:15.123Z":  time.Date(2026, 2, 28, 7, 30, 15, 123e6, time.UTC),
	} {
		t.Run(text, func(t *testing.T) {
			t.Parallel()
			if got, err := parseSince(text, noon); err != nil || !got.Equal(want) {
				t.Errorf("%s, want %s, %v", got, want, err)
			}
		})
	}
	for _, text := range []string{"", "yesterday", "-2h", "2", "7D", "2026-03-02", "2026-13-01", "999999d", "1d-2h", "12h1d", "1d1w", "1d2562047h", "d"} {
		if got, err := parseSince(text, noon); err == nil {
			t.Errorf("%q is read as %s, want an error", text, got)
		}
	}
}
