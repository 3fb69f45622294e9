package alert

import (
	"slices"
	"testing"

	"pgregory.net/rapid"
)

func TestRoutes(t *testing.T) {
	t.Parallel()
	rs := Routes{{Name: "all"}, {Name: "chat", MinLevel: Medium}, {Name: "pager", MinLevel: High}, {Name: "phone", MinLevel: Critical}}
	for _, c := range []struct {
		a    Alert
		want []string
	}{
		{Alert{Kind: Deletion, Level: High}, []string{"log", "all", "chat", "pager"}},
		{Alert{Kind: Deletion, Level: Informational}, []string{"log", "all"}},
		{Alert{Kind: Attempt, Level: Medium}, []string{"log", "all", "chat"}},
		{Alert{Kind: Blocked, Level: Critical}, []string{"log", "all", "chat", "pager", "phone"}},
		{Alert{Kind: Closed, Level: Informational, RouteLevel: High}, []string{"log", "all", "chat", "pager"}},
		{Alert{Kind: Closed, Level: Informational, RouteLevel: Critical}, []string{"log", "all", "chat", "pager", "phone"}},
		{Alert{Kind: Restored, Level: Low, RouteLevel: Informational}, []string{"log", "all"}},
		{Alert{Kind: Closed, Level: Informational}, []string{"log", "all", "chat", "pager"}},
		{Alert{Kind: Pipeline, Level: Informational}, []string{"log", "all"}},
		{Alert{Kind: Pipeline, Level: Informational, RouteLevel: High}, []string{"log", "all", "chat", "pager"}},
		{Alert{Kind: Deletion, Level: Low, RouteLevel: Critical}, []string{"log", "all"}},
	} {
		if got := rs.For(c.a); !slices.Equal(got, c.want) {
			t.Errorf("%s %s (%s): %v, want %v", c.a.Kind, c.a.Level, c.a.RouteLevel, got, c.want)
		}
	}
}

func TestRoutesByKind(t *testing.T) {
	t.Parallel()
	rs := Routes{{Name: "pager", Kinds: PagerKinds}, {Name: "chat", Kinds: []Kind{Deletion, Restored}, MinLevel: High}}
	for _, c := range []struct {
		a    Alert
		want []string
	}{
		{Alert{Kind: Deletion, Level: High}, []string{"log", "pager", "chat"}},
		{Alert{Kind: Deletion, Level: Low}, []string{"log", "pager"}},
		{Alert{Kind: Restored, Level: Low, RouteLevel: High}, []string{"log", "chat"}},
		{Alert{Kind: Closed, Level: Informational, RouteLevel: High}, []string{"log", "pager"}},
		{Alert{Kind: Tamper, Level: Critical}, []string{"log", "pager"}},
	} {
		if got := rs.For(c.a); !slices.Equal(got, c.want) {
			t.Errorf("%s %s: %v, want %v", c.a.Kind, c.a.Level, got, c.want)
		}
	}
}

// Whatever was opened at a sink is resolved there.
func TestClosedReachesWhoeverGotTheDeletion(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		level := rapid.SampledFrom(levels)
		rs := Routes{{Name: "a", MinLevel: level.Draw(t, "min")}}
		earlier := []Alert{{Kind: Deletion, Level: level.Draw(t, "deletion")}, {Kind: Blocked, Level: level.Draw(t, "blocked")}}
		closed := Alert{Kind: Closed, Level: Informational, RouteLevel: Highest(earlier[0].Level, earlier[1].Level)}
		for _, a := range earlier {
			for _, name := range rs.For(a) {
				if !slices.Contains(rs.For(closed), name) {
					t.Fatalf("%s got %+v but not its end", name, a)
				}
			}
		}
	})
}
