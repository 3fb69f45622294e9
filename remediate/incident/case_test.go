package incident

import (
	"testing"
	"time"

	"flowkeeper/inventory"
)

func TestProtect(t *testing.T) {
	t.Parallel()
	protect := func(c *Case) string { c.place("vpc-1").protect(); return "" }
	play(t, []scenario{
		{"I6: a decoy of nothing", given(live("fl-1", unprotected)), protect, `row fl-1: Protected=true`},
		{"a decoy of a lost one", given(live("fl-1", unprotected, does(rejects)), gone("fl-2"), pending("fl-2")), protect, ``},
		{"beside a live one, and perhaps gone when that was made", given(live("fl-1", unprotected, does(rejects)), live("fl-2"), refreshedAt(noon.Add(-24*time.Hour+policy.ConsistencyWindow))), protect, ``},
		{"beside a live one, as the last refresh shows", given(live("fl-1", unprotected, does(rejects)), live("fl-2"), refreshedAt(noon.Add(-24*time.Hour+policy.ConsistencyWindow+1))), protect, `row fl-1: Protected=true`},
		{"beside a live one, and never refreshed", given(live("fl-1", unprotected, does(rejects)), live("fl-2")), protect, ``},
		{"beside a live one that the last refresh did not have to show", given(live("fl-1", unprotected, does(rejects)), live("fl-2", writtenAt(noon.Add(-policy.ConsistencyWindow))), refreshedAt(noon)), protect, ``},
		{"beside a live one that the last refresh had to show", given(live("fl-1", unprotected, does(rejects)), live("fl-2", writtenAt(noon.Add(-policy.ConsistencyWindow-1))), refreshedAt(noon)), protect, `row fl-1: Protected=true`},
		{"beside a live one, and the clock went back", given(live("fl-1", unprotected, does(rejects)), live("fl-2", writtenAt(now.Add(time.Hour))), refreshedAt(noon)), protect, `row fl-1: Protected=true`},
		{"I2: a decoy of a released one, of which a record may come", given(live("fl-1", unprotected, does(rejects)), gone("fl-2"), releaseLost("fl-2", now.Add(1))), protect, ``},
		{"of a released one, and no record came", given(live("fl-1", unprotected, does(rejects)), gone("fl-2"), releaseLost("fl-2", now)), protect, `row fl-1: Protected=true`},
		{"outside of the destinations", given(live("fl-1", excluded)), protect, ``},
		{"gone", given(gone("fl-1", unprotected)), protect, ``},
		{"on another resource", given(live("fl-1", unprotected, func(r *inventory.Row) { r.ResourceID = "vpc-2" })), protect, ``},
		{"on no resource", given(live("fl-1", unprotected, func(r *inventory.Row) { r.ResourceID = "" })), func(c *Case) string { c.place("").protect(); return "" }, ``},
	})
}

func writtenAt(at time.Time) func(*inventory.Row) { return func(r *inventory.Row) { r.WrittenAt = at } }

// releaseLost is the incident of a flow log that a refresh found gone, and that was released when it was
// last seen. A record of its deletion may come until a time.
func releaseLost(id string, until time.Time) Incident {
	return pending(id, func(i *Incident) { i.State, i.Reason, i.Source, i.WaitUntil = Closed, Released, ByDrift, until })
}

func refreshedAt(at time.Time) func(*Case) { return func(c *Case) { c.RefreshedAt = at } }

func TestWakeBlocked(t *testing.T) {
	t.Parallel()
	wake := func(c *Case) string { c.place("vpc-1").wakeBlocked(); return "" }
	later := func(i *Incident) { i.NextAttemptAt = now.Add(time.Hour) }
	play(t, []scenario{
		{"blocked", given(blocked("fl-1", Role, later), blocked("fl-2", Limit, later)), wake, `fl-1: NextAttemptAt=now | fl-2: NextAttemptAt=now`},
		{"open", given(pending("fl-1", later)), wake, ``},
		{"on another resource", given(blocked("fl-1", Role, func(i *Incident) { i.ResourceID = "vpc-2" })), wake, ``},
		{"on no known resource", given(blocked("fl-1", Role, unknown)), func(c *Case) string { c.place("").wakeBlocked(); return "" }, ``},
	})
}

// TestRow: a live row was last seen by the last refresh, whatever it says itself, if that refresh had to list it.
func TestRow(t *testing.T) {
	t.Parallel()
	c := given(live("fl-1"), gone("fl-2"), live("fl-3", func(r *inventory.Row) { r.LastSeenAt = now }),
		live("fl-young", func(r *inventory.Row) { r.WrittenAt = noon.Add(-policy.ConsistencyWindow) }), refreshedAt(noon))
	for id, want := range map[string]time.Time{"fl-1": noon, "fl-2": noon.Add(-time.Hour), "fl-3": now, "fl-young": noon.Add(-time.Hour)} {
		t.Run(id, func(t *testing.T) {
			if r, ok := c.Row(id); !ok || !r.LastSeenAt.Equal(want) {
				t.Errorf("there: %t, last seen %s", ok, r.LastSeenAt)
			}
		})
	}
	if _, ok := c.Row("fl-4"); ok {
		t.Error("a row that is not there")
	}
}
