package main

import (
	"cmp"
	"regexp"
	"strconv"
	"time"
)

var spanForm = regexp.MustCompile(`(?s)^(?:([0-9]{1,4})w)?(?:([0-9]{1,4})d)?(.*)$`)

// readSpan parses a length of time: Go's own form, with weeks and days before it.
func readSpan(text string) (time.Duration, error) {
	m := spanForm.FindStringSubmatch(text)
	weeks, _ := strconv.Atoi("0" + m[1])
	days, _ := strconv.Atoi("0" + m[2])
	long := time.Duration(7*weeks+days) * 24 * time.Hour
	rest, err := time.ParseDuration(cmp.Or(m[3], "0s"))
	if err != nil || text == "" || long > 0 && rest < 0 || long+rest < rest {
		return 0, usagef("write how long, such as 90s, 2h or 7d")
	}
	return long + rest, nil
}

// parseSince parses --since; empty: the zero time.
func parseSince(text string, now time.Time) (time.Time, error) {
	at, ok := readTime(text, now)
	switch {
	case text == "":
		return time.Time{}, nil
	case !ok:
		return at, usagef("write how long ago (90m, 2h, 7d) or when (2026-03-01, 2026-03-01T12:00:00Z)")
	case at.After(now):
		return at, usagef("that is in the future")
	}
	return at, nil
}

func readTime(text string, now time.Time) (time.Time, bool) {
	if d, err := readSpan(text); err == nil {
		return now.Add(-d), d >= 0
	}
	for _, layout := range []string{time.RFC3339, time.DateOnly, "2006-01-02 15:04:05 UTC", time.DateTime, "2006-01-02 15:04", "2006-01-02T15:04"} {
		if t, err := time.ParseInLocation(layout, text, time.UTC); err == nil {
			return t, true
		}
	}
	return time.Time{}, false
}
