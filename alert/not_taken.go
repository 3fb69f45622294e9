package alert

import (
	"fmt"
	"time"
)

// NotTaken words the alert that tells the other sinks of one that a sink
// refuses, fails to take for a while, or was given up on: nothing is missing
// silently. All that one sink does not take on one day (UTC) share it. There is
// none about such an alert itself, which could go on for ever between two sinks
// that are down: the daemon's log has that one.
func NotTaken(sink string, given Alert, why string, now time.Time) (notice Alert, ok bool) {
	if given.aboutSink() {
		return Alert{}, false
	}
	since := ""
	if days := int(now.Sub(given.Time.Time) / (24 * time.Hour)); days > 0 {
		since = " for " + Plural(days, "day")
	}
	notice = Alert{
		ID: ID("not taken", sink, given.ID, now.UTC().Format(time.DateOnly)), DedupKey: sinkKey(sink),
		Time: Time{now}, Kind: Pipeline, Level: High, Target: sink,
		Cause:  fmt.Sprintf("sink %s has not taken alert %s%s: %s", sink, given.ID, since, why),
		Advice: fmt.Sprintf("mend it, then `flowkeeper alerts retry %s`; `flowkeeper alerts list --failed` has all that it has not taken, and why", given.ID),
	}
	notice.Write()
	return notice, true
}

// TakesAgain words the alert that ends what NotTaken began.
func TakesAgain(sink string, now time.Time) Alert {
	a := Alert{
		ID: ID("takes again", sink, now.UTC().Format(timeLayout)), DedupKey: sinkKey(sink),
		Time: Time{now}, Kind: Pipeline, Level: Informational, RouteLevel: High, Target: sink,
		Cause: "sink " + sink + " takes alerts again",
	}
	a.Write()
	return a
}

// aboutSink reports whether the alert is of NotTaken or TakesAgain.
func (a Alert) aboutSink() bool { return a.Kind == Pipeline && a.DedupKey == sinkKey(a.Target) }

// sinkKey is the DedupKey of both.
func sinkKey(sink string) string { return DedupKey("sink", sink) }
