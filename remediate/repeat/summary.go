package repeat

import (
	"strconv"
	"time"

	"flowkeeper/alert"
	"flowkeeper/remediate/incident"
)

// summary is the alert about the calls that a window held, with the words of the gravest one.
func (b Burst) summary(now time.Time) alert.Alert {
	a := *b.Held.Gravest
	a.ID = alert.ID("repeats", b.Key, strconv.FormatInt(b.Since.UnixMilli(), 10))
	a.DedupKey = b.dedupKey()
	a.Time, a.Minor = alert.Time{Time: now}, true
	a.Repeats = &alert.Repeats{Calls: b.Held.Calls, FlowLogs: b.Held.FlowLogs, From: alert.Time{Time: b.Held.First}, To: alert.Time{Time: b.Held.Last}, Several: b.Held.Several}
	if b.Held.Several {
		a.Actor = nil // the examples say who
	}
	for _, x := range b.Held.Examples {
		a.Repeats.Examples = append(a.Repeats.Examples, x.Call)
	}
	return a
}

// end is the alert that resolves the pager incident which the summaries of deletions opened. Flow logs
// that the snapshot has come to know have alerts of their own.
func (b Burst) end(now time.Time) alert.Alert {
	return alert.Alert{ID: alert.ID("repeats", b.Key, "settled", strconv.FormatInt(b.Since.UnixMilli(), 10)), DedupKey: b.dedupKey(),
		Time: alert.Time{Time: now}, Kind: alert.Closed, Level: alert.Informational, RouteLevel: b.Level, Account: b.Scope.Account, Region: b.Scope.Region, Source: incident.ByEvent,
		Minor: true, Repeats: &alert.Repeats{Calls: b.Total, From: alert.Time{Time: b.Began}, To: alert.Time{Time: b.Since}}}
}

func (b Burst) dedupKey() string {
	return alert.DedupKey("repeats "+b.Key, strconv.FormatInt(b.Began.UnixMilli(), 10))
}

// BypassID is the ID of an alert about a call that anybody can repeat, if the alert is sent without
// the outbox. It is the same for all calls by a principal on a target within a window whose alerts have
// the same level, so that a flood is one alert there, too.
func BypassID(a alert.Alert, who string, now time.Time) string {
	return alert.ID("past the store", string(a.Kind), string(a.Level), a.Account, a.Region, who, a.Target, now.UTC().Truncate(Window).Format(time.RFC3339))
}
