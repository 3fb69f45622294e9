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
	for name, c := range map[string]struct {
		routes Routes
		a      alert.Alert
		want   []string
	}{
		"deletion of high level":                 {byLevel, alert.Alert{Kind: alert.Deletion, Level: alert.High}, []string{"log", "all", "chat", "pager"}},
		"informational deletion":                 {byLevel, alert.Alert{Kind: alert.Deletion, Level: alert.Informational}, []string{"log", "all"}},
		"medium attempt":                         {byLevel, alert.Alert{Kind: alert.Attempt, Level: alert.Medium}, []string{"log", "all", "chat"}},
		"critical blocked":                       {byLevel, alert.Alert{Kind: alert.Blocked, Level: alert.Critical}, []string{"log", "all", "chat", "pager", "phone"}},
		"closed, of a high deletion":             {byLevel, alert.Alert{Kind: alert.Closed, Level: alert.Informational, RouteLevel: alert.High}, []string{"log", "all", "chat", "pager"}},
		"closed, of a critical deletion":         {byLevel, alert.Alert{Kind: alert.Closed, Level: alert.Informational, RouteLevel: alert.Critical}, []string{"log", "all", "chat", "pager", "phone"}},
		"restored, of an informational deletion": {byLevel, alert.Alert{Kind: alert.Restored, Level: alert.Low, RouteLevel: alert.Informational}, []string{"log", "all"}},
		"closed, of a deletion of unknown level": {byLevel, alert.Alert{Kind: alert.Closed, Level: alert.Informational}, []string{"log", "all", "chat", "pager"}},
		"informational pipeline":                 {byLevel, alert.Alert{Kind: alert.Pipeline, Level: alert.Informational}, []string{"log", "all"}},
		"end of a high outage":                   {byLevel, alert.Alert{Kind: alert.Pipeline, Level: alert.Informational, RouteLevel: alert.High}, []string{"log", "all", "chat", "pager"}},
		"a deletion is routed by its own level":  {byLevel, alert.Alert{Kind: alert.Deletion, Level: alert.Low, RouteLevel: alert.Critical}, []string{"log", "all"}},
		"kinds, high deletion":                   {byKind, alert.Alert{Kind: alert.Deletion, Level: alert.High}, []string{"log", "pager", "chat"}},
		"kinds, low deletion":                    {byKind, alert.Alert{Kind: alert.Deletion, Level: alert.Low}, []string{"log", "pager"}},
		"kinds, restored":                        {byKind, alert.Alert{Kind: alert.Restored, Level: alert.Low, RouteLevel: alert.High}, []string{"log", "chat"}},
		"kinds, closed":                          {byKind, alert.Alert{Kind: alert.Closed, Level: alert.Informational, RouteLevel: alert.High}, []string{"log", "pager"}},
		"kinds, tamper":                          {byKind, alert.Alert{Kind: alert.Tamper, Level: alert.Critical}, []string{"log", "pager"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if got := c.routes.For(c.a); !slices.Equal(got, c.want) {
				t.Errorf("%s %s (%s): %v, want %v", c.a.Kind, c.a.Level, c.a.RouteLevel, got, c.want)
			}
		})
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
