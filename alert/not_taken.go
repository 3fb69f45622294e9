package alert

import (
	"fmt"
	"time"
)

// NotTaken is the alert for the other sinks that a sink refuses an alert, fails to take it
// for a while, or did not take it before it was given up, so that nobody misses an alert
// without notice. There is one for each sink and day (UTC), however many alerts the sink
// does not take: day is the day of this one, and last that of the one before it (empty: there was
// none, or TakesAgain has followed it). There is none about an alert of this kind: between two
// failing sinks that would never end. The daemon's log still has it. ok is false if there is none.
func NotTaken(sink string, given Alert, why, last string, now time.Time) (notice Alert, day string, ok bool) {
	day = now.UTC().Format(time.DateOnly)
	if given.aboutSink() || last == day {
		return Alert{}, last, false
	}
	since := ""
	if days := int(now.Sub(given.Time.Time) / (24 * time.Hour)); days > 0 {
		since = " for " + Plural(days, "day")
	}
	notice = Alert{
		ID: ID("not taken", sink, given.ID, day), DedupKey: sinkKey(sink),
		Time: Time{now}, Kind: Pipeline, Level: High, Target: sink,
		Cause:  fmt.Sprintf("sink %s has not taken alert %s%s: %s", sink, given.ID, since, why),
		Advice: fmt.Sprintf("fix the sink, then run `flowkeeper alerts retry %s`; `flowkeeper alerts list --failed` lists all alerts that it has not taken, and why", given.ID),
	}
	notice.Write()
	return notice, day, true
}

// TakesAgain is the alert that the sink takes alerts again. It resolves what NotTaken has
// opened.
func TakesAgain(sink string, now time.Time) Alert {
	a := Alert{
		ID: ID("takes again", sink, now.UTC().Format(timeLayout)), DedupKey: sinkKey(sink),
		Time: Time{now}, Kind: Pipeline, Level: Informational, RouteLevel: High, Target: sink,
		Cause: "sink " + sink + " takes alerts again",
	}
	a.Write()
	return a
}

// aboutSink reports whether NotTaken or TakesAgain has made the alert.
func (a Alert) aboutSink() bool { return a.Kind == Pipeline && a.DedupKey == sinkKey(a.Target) }

// sinkKey is the DedupKey of the alerts of NotTaken and TakesAgain.
func sinkKey(sink string) string { return DedupKey("sink", sink) }
