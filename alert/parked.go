package alert

import (
	"fmt"
	"time"
)

// Parked words the alert that tells the other sinks of one that was given up:
// nothing is parked silently. All that one sink gives up on one day (UTC) share
// it. There is none about such an alert itself, which could go on for ever
// between two sinks that are down: the daemon's log has that one.
func Parked(sink string, given Alert, now time.Time) (told Alert, ok bool) {
	if given.Kind == Pipeline && given.DedupKey == sinkKey(given.Target) {
		return Alert{}, false
	}
	days := int(now.Sub(given.Time.Time) / (24 * time.Hour))
	told = Alert{
		ID: ID("parked", sink, now.UTC().Format(time.DateOnly)), DedupKey: sinkKey(sink),
		Time: Time{now}, Kind: Pipeline, Level: High, Target: sink,
		Cause:  fmt.Sprintf("sink %s has not taken alert %s for %s", sink, given.ID, count(days, "day")),
		Advice: fmt.Sprintf("mend it, then `flowkeeper alerts retry %s`; `flowkeeper alerts list --failed` has all that it has not taken, and why", given.ID),
	}
	told.Write()
	return told, true
}

// sinkKey is the DedupKey of what is told about a sink.
func sinkKey(sink string) string { return DedupKey("sink", sink) }
