package sink

import (
	"slices"
	"testing"

	"pgregory.net/rapid"

	"flowkeeper/alert"
)

func TestRoutes(t *testing.T) {
	t.Parallel()
	byLevel := Routes{{Name: "all"}, {Name: "chat", MinLevel: alert.Medium}, {Name: "pager", MinLevel: alert.High}, {Name: "phone", MinLevel: alert.Critical}}
	byKind := Routes{{Name: "pager", Kinds: PagerKinds}, {Name: "chat", Kinds: []alert.Kind{alert.Deletion, alert.Restored}, MinLevel: alert.High}}
	for _, c := range []struct {
		routes Routes
		a      alert.Alert
		want   []string
	}{
		{byLevel, alert.Alert{Kind: alert.Deletion, Level: alert.High}, []string{"log", "all", "chat", "pager"}},
		{byLevel, alert.Alert{Kind: alert.Deletion, Level: alert.Informational}, []string{"log", "all"}},
		{byLevel, alert.Alert{Kind: alert.Attempt, Level: alert.Medium}, []string{"log", "all", "chat"}},
		{byLevel, alert.Alert{Kind: alert.Blocked, Level: alert.Critical}, []string{"log", "all", "chat", "pager", "phone"}},
		{byLevel, alert.Alert{Kind: alert.Closed, Level: alert.Informational, RouteLevel: alert.High}, []string{"log", "all", "chat", "pager"}},
		{byLevel, alert.Alert{Kind: alert.Closed, Level: alert.Informational, RouteLevel: alert.Critical}, []string{"log", "all", "chat", "pager", "phone"}},
		{byLevel, alert.Alert{Kind: alert.Restored, Level: alert.Low, RouteLevel: alert.Informational}, []string{"log", "all"}},
		{byLevel, alert.Alert{Kind: alert.Closed, Level: alert.Informational}, []string{"log", "all", "chat", "pager"}},
		{byLevel, alert.Alert{Kind: alert.Pipeline, Level: alert.Informational}, []string{"log", "all"}},
		{byLevel, alert.Alert{Kind: alert.Pipeline, Level: alert.Informational, RouteLevel: alert.High}, []string{"log", "all", "chat", "pager"}},
		{byLevel, alert.Alert{Kind: alert.Deletion, Level: alert.Low, RouteLevel: alert.Critical}, []string{"log", "all"}},
		{byKind, alert.Alert{Kind: alert.Deletion, Level: alert.High}, []string{"log", "pager", "chat"}},
		{byKind, alert.Alert{Kind: alert.Deletion, Level: alert.Low}, []string{"log", "pager"}},
		{byKind, alert.Alert{Kind: alert.Restored, Level: alert.Low, RouteLevel: alert.High}, []string{"log", "chat"}},
		{byKind, alert.Alert{Kind: alert.Closed, Level: alert.Informational, RouteLevel: alert.High}, []string{"log", "pager"}},
		{byKind, alert.Alert{Kind: alert.Tamper, Level: alert.Critical}, []string{"log", "pager"}},
	} {
		if got := c.routes.For(c.a); !slices.Equal(got, c.want) {
			t.Errorf("%s %s (%s): %v, want %v", c.a.Kind, c.a.Level, c.a.RouteLevel, got, c.want)
		}
	}
}

// TestClosedGoesToTheSinksOfTheDeletion: every sink that has opened an incident gets the
// alert that resolves it.
func TestClosedGoesToTheSinksOfTheDeletion(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		level := rapid.SampledFrom([]alert.Level{alert.Informational, alert.Low, alert.Medium, alert.High, alert.Critical})
		rs := Routes{{Name: "a", MinLevel: level.Draw(t, "min")}}
		earlier := []alert.Alert{{Kind: alert.Deletion, Level: level.Draw(t, "deletion")}, {Kind: alert.Blocked, Level: level.Draw(t, "blocked")}}
		closed := alert.Alert{Kind: alert.Closed, Level: alert.Informational, RouteLevel: alert.Highest(earlier[0].Level, earlier[1].Level)}
		for _, a := range earlier {
			for _, name := range rs.For(a) {
				if !slices.Contains(rs.For(closed), name) {
					t.Fatalf("%s got %+v but not its end", name, a)
				}
			}
		}
	})
}
