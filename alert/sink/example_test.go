package sink_test

import (
	"fmt"

	"flowkeeper/alert"
	"flowkeeper/alert/sink"
)

// An alert goes where its level and kind are asked for. What answers an earlier alert goes
// where that one went, whatever its own level is, so that a pager can close what it opened.
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
