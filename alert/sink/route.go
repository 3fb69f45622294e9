package sink

import (
	"slices"

	"flowkeeper/alert"
)

// LogName is the name of the sink that is always there and gets everything.
const LogName = "log"

// Route is what decides whether one configured sink gets an alert.
type Route struct {
	Name     string
	MinLevel alert.Level  // empty: every level
	Kinds    []alert.Kind // empty: every kind
}

// Routes are the configured sinks, without the log sink.
type Routes []Route

// For names the sinks that get the alert, the log sink first.
//
// An alert goes where its RoutingLevel is asked for. A pager that takes only high
// ones opened an incident by the deletion; without the closed alert, which is
// informational, it would never resolve it.
func (rs Routes) For(a alert.Alert) []string {
	level := a.RoutingLevel()
	names := []string{LogName}
	for _, r := range rs {
		if level.AtLeast(r.MinLevel) && (len(r.Kinds) == 0 || slices.Contains(r.Kinds, a.Kind)) {
			names = append(names, r.Name)
		}
	}
	return names
}
