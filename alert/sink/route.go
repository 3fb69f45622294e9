package sink

import (
	"slices"

	"flowkeeper/alert"
)

// LogName is the name of the log sink, which is always there and gets every alert.
const LogName = "log"

// Route decides which alerts one configured sink gets.
type Route struct {
	Name     string
	MinLevel alert.Level  // empty: every level
	Kinds    []alert.Kind // empty: every kind
}

// Routes are the configured sinks, without the log sink.
type Routes []Route

// For names the sinks that get the alert, the log sink first.
//
// The RoutingLevel decides, not the alert's own level. A pager that gets only high alerts
// has opened an incident at the deletion. Without the closed alert, which is informational,
// it would never resolve that incident.
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
