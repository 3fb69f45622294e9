package sink_test

import (
	"fmt"

	"flowkeeper/alert"
	"flowkeeper/alert/sink"
)

// The level and the kind of an alert decide which sinks get it. An alert that answers an
// earlier one goes to the sinks of that one, whatever its own level is, so that a pager can
// resolve the incident that it opened.
func ExampleRoutes_For() {
	routes := sink.Routes{
		{Name: "chat"},
		{Name: "pager", MinLevel: alert.High, Kinds: sink.PagerKinds},
	}
	fmt.Println(routes.For(alert.Alert{Kind: alert.Deletion, Level: alert.High}))
	fmt.Println(routes.For(alert.Alert{Kind: alert.Attempt, Level: alert.Medium}))
	fmt.Println(routes.For(alert.Alert{Kind: alert.Closed, Level: alert.Informational, RouteLevel: alert.High}))
	// Output:
	// [log chat pager]
	// [log chat]
	// [log chat pager]
}
