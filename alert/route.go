package alert

import "slices"

// LogSink is the name of the sink that is always there and gets everything.
const LogSink = "log"

// Route is what decides whether one configured sink gets an alert.
type Route struct {
	Name     string
	MinLevel Level  // empty: every level
	Kinds    []Kind // empty: every kind
}

// Routes are the configured sinks, without the log sink.
type Routes []Route

// For names the sinks that get the alert, the log sink first.
//
// An alert goes where its level is asked for, but for those that answer an
// earlier one: `restored` (low), `closed` and the end of a failed delivery
// (informational) go where the most urgent of the alerts before them went
// (RouteLevel). A pager that takes only high ones opened an incident by the
// deletion; without the closed alert it would never resolve it.
func (rs Routes) For(a Alert) []string {
	level := a.routeLevel()
	names := []string{LogSink}
	for _, r := range rs {
		if level.AtLeast(r.MinLevel) && (len(r.Kinds) == 0 || slices.Contains(r.Kinds, a.Kind)) {
			names = append(names, r.Name)
		}
	}
	return names
}

func (a Alert) routeLevel() Level {
	switch {
	case a.Kind != Restored && a.Kind != Closed && a.Kind != Pipeline:
		return a.Level
	case a.RouteLevel == "" && a.Kind != Pipeline:
		return Highest(a.Level, High) // where a deletion goes: rather one message too many than an incident left open
	}
	return Highest(a.Level, a.RouteLevel)
}

// Highest is the more urgent of two levels.
func Highest(a, b Level) Level {
	if a.AtLeast(b) {
		return a
	}
	return b
}
