package alert

import (
	"fmt"
	"time"
)

// NotTaken tells the other sinks that one sink does not take an alert. There is at most one for each sink and
// day (UTC). ok is false if none is due.
//
// day is the day of this notice, and last the day of the notice before it; last is empty if there was none, or if
// TakesAgain has followed it. No notice is about another notice: two failing sinks would then cause notices without
// end. That a sink does not take a notice is only in the daemon's log.
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

// TakesAgain tells the other sinks that the sink takes alerts again. It resolves what NotTaken has opened. ok is false
// if that is not due.
//
// The sink has just taken an alert. last is the day of the last NotTaken about the sink, and empty from this alert on.
// left says that there still is an alert which the sink has not taken, after so many tries that it may be set aside
// (sink.HoldTriesRefused).
func TakesAgain(sink, last string, left bool, now time.Time) (end Alert, ok bool) {
	if last == "" || left {
		return Alert{}, false
	}
	end = Alert{
		ID: ID("takes again", sink, now.UTC().Format(timeLayout)), DedupKey: sinkKey(sink),
		Time: Time{now}, Kind: Pipeline, Level: Informational, RouteLevel: High, Target: sink,
		Cause: "sink " + sink + " takes alerts again",
	}
	end.Write()
	return end, true
}

// aboutSink reports whether NotTaken or TakesAgain has made the alert.
func (a Alert) aboutSink() bool { return a.Kind == Pipeline && a.DedupKey == sinkKey(a.Target) }

// sinkKey is the DedupKey of the alerts of NotTaken and TakesAgain.
func sinkKey(sink string) string { return DedupKey("sink", sink) }
