package incident

import (
	"fmt"
	"testing"
	"time"

	"flowkeeper/alert"
	"flowkeeper/inventory"
)

// drift applies a refresh, with the event e-2, that does not find some flow logs any more.
func drift(action Action, ids ...string) func(*Case) string {
	return func(c *Case) string {
		c.Policy.DriftAlerts = action == Alert
		opened := 0
		for _, id := range ids {
			if c.ApplyDrift(id, "e-2", nil) {
				opened++
			}
		}
		return fmt.Sprint(opened, " opened")
	}
}

func TestApplyDrift(t *testing.T) {
	t.Parallel()
	noRule := func(c *Case) { c.Policy.DriftWait = 10 * time.Minute }
	rule := func(a Action) func(*Case) {
		return func(c *Case) { noRule(c); c.Policy.Rules = []Rule{{Principal: "arn:else", Action: a}} }
	}
	wait := rule(Ignore)
	tagged := func(key string) func(*inventory.Row) {
		return func(r *inventory.Row) { r.Tags = map[string]string{key: "true"} }
	}
	opened := func(waitUntil string) string {
		return `
			= 1 opened
			row fl-1: State=gone GoneAt=now
			fl-1 opened: Source=drift EventID=e-2 Action=restore WaitUntil=` + waitUntil + `
			history fl-1 open: a refresh no longer finds it (e-2)`
	}
	torn := func(c *Case) string {
		return fmt.Sprint("opened: ", c.ApplyDrift("fl-1", "e-2", map[string]bool{"vpc-1": true}))
	}
	play(t, []scenario{
		{"I5: a live one", given(live("fl-1"), wait), drift(Restore, "fl-1"), `
			= 1 opened
			row fl-1: State=gone GoneAt=now
			fl-1 opened: Source=drift EventID=e-2 Action=restore WaitUntil=+10m0s
			history fl-1 open: a refresh no longer finds it (e-2)`},
		{"no record could excuse it: no rule is looser", given(live("fl-1"), rule(Restore)), drift(Restore, "fl-1"), opened("now")},
		{"no record could excuse it: there are no rules", given(live("fl-1", tagged("Name")), noRule), drift(Restore, "fl-1"), opened("now")},
		{"a rule that waits could excuse it", given(live("fl-1"), rule(Wait)), drift(Restore, "fl-1"), opened("+10m0s")},
		{"a rule that only alerts could excuse it", given(live("fl-1"), rule(Alert)), drift(Restore, "fl-1"), opened("+10m0s")},
		{"the built-in rule could excuse it", given(live("fl-1", tagged(TelemetryTag)), noRule), drift(Restore, "fl-1"), opened("+10m0s")},
		{"it was released when it was last seen", given(live("fl-1", released, func(r *inventory.Row) { r.ReleasedAt = noon.Add(-2 * time.Hour) }), noRule), drift(Restore, "fl-1"), opened("+10m0s")},
		{"its release is over", given(live("fl-1", released, func(r *inventory.Row) { r.ReleasedAt, r.ReleasedUntil = noon.Add(-3*time.Hour), noon.Add(-2*time.Hour) }), noRule), drift(Restore, "fl-1"), opened("now")},
		{"I5: several, seen by the last refresh", given(live("fl-1"), live("fl-2"), func(c *Case) { c.RefreshedAt = noon }), drift(Restore, "fl-1", "fl-2"), `
			= 2 opened
			row fl-1: State=gone LastSeenAt=-1m0s GoneAt=now
			row fl-2: State=gone LastSeenAt=-1m0s GoneAt=now
			fl-1 opened: Source=drift EventID=e-2 Action=restore WaitUntil=now
			fl-2 opened: Source=drift EventID=e-2 Action=restore WaitUntil=now
			history fl-1 open: a refresh no longer finds it (e-2)
			history fl-2 open: a refresh no longer finds it (e-2)`},
		{"a record says that its resource was deleted", given(live("fl-1"), wait), torn, `
			= opened: true
			row fl-1: State=gone GoneAt=now
			fl-1 opened: Source=drift EventID=e-2 Action=restore WaitUntil=now
			history fl-1 open: a refresh no longer finds it (e-2)`},
		{"only reported", given(live("fl-1")), drift(Alert, "fl-1"), `
			= 1 opened
			row fl-1: State=gone GoneAt=now
			fl-1 opened: Source=drift EventID=e-2 Action=alert WaitUntil=now
			history fl-1 open: a refresh no longer finds it (e-2)`},
		{"I2: a record named it before the snapshot had it", given(live("fl-1"), closed("fl-1", Unknown, unknown)), drift(Restore, "fl-1"), `
			= 1 opened
			row fl-1: State=gone GoneAt=now
			fl-1 reopened: ResourceID=vpc-1 Known=true Frozen=wanted Source=drift EventID=e-2 Actor=nobody FirstSeenAt=-24h1m0s LastSeenAt=-1h1m0s DeletedAt=never WaitUntil=now
			history fl-1 open: a refresh no longer finds it (e-2)`},
		{"unknown", given(), drift(Restore, "fl-1"), `= 0 opened`},
		{"gone before", given(gone("fl-1")), drift(Restore, "fl-1"), `= 0 opened`},
		{"a decoy: the incident that it blocked is due", given(live("fl-1", unprotected), gone("fl-2"), blocked("fl-2", Decoy)), drift(Restore, "fl-1"),
			`= 0 opened | row fl-1: State=gone GoneAt=now | fl-2: NextAttemptAt=now`},
		{"I2: only an imported file has it", given(live("fl-1", imported)), drift(Restore, "fl-1"), `= 0 opened | row fl-1: State=gone GoneAt=now`},
		{"a record named it before", given(live("fl-1"), pending("fl-1", func(i *Incident) { i.NextAttemptAt = now.Add(time.Hour) })), drift(Restore, "fl-1"),
			`= 0 opened | row fl-1: State=gone GoneAt=now | fl-1: NextAttemptAt=now`},
		{"its incident is closed", given(live("fl-1"), closed("fl-1", Exempt)), drift(Restore, "fl-1"), `= 0 opened | row fl-1: State=gone GoneAt=now`},
		{"a record named it before, and AWS showed it alive", given(live("fl-1", does(rejects)), closed("fl-1", StillThere, asked(Alert)), wait), drift(Restore, "fl-1"), `
			= 1 opened
			row fl-1: State=gone GoneAt=now
			fl-1 reopened: Frozen=traffic_type: "REJECT" instead of "ALL" Source=drift EventID=e-2 Actor=nobody DeletedAt=never Action=restore WaitUntil=+10m0s
			history fl-1 open: a refresh no longer finds it (e-2)`},
		{"I2: a stricter record named it before, and AWS showed it alive", given(live("fl-1"), closed("fl-1", StillThere)), drift(Alert, "fl-1"), `
			= 1 opened
			row fl-1: State=gone GoneAt=now
			fl-1 reopened: Source=drift EventID=e-2 Actor=nobody DeletedAt=never WaitUntil=now
			history fl-1 open: a refresh no longer finds it (e-2)`},
	})
}

func TestTornDown(t *testing.T) {
	t.Parallel()
	waits := func(i *Incident) { i.WaitUntil, i.NextAttemptAt = now.Add(time.Minute), now.Add(time.Minute) }
	tornDown := func(c *Case) string { c.TornDown("vpc-1"); return "" }
	play(t, []scenario{
		{"ends a wait for a record", given(pending("fl-1", drifted, waits)), tornDown, `fl-1: WaitUntil=now NextAttemptAt=now | note overdue fl-1`},
		{"does not end the wait of a rule", given(pending("fl-1", waits)), tornDown, ``},
		{"does not end a wait on another resource", given(pending("fl-1", drifted, waits, func(i *Incident) { i.ResourceID = "vpc-2" })), tornDown, ``},
		{"changes no wait that is over", given(pending("fl-1", drifted, func(i *Incident) { i.WaitUntil = now })), tornDown, ``},
		{"wakes what is blocked", given(blocked("fl-1", Role, drifted, waits)), tornDown, `fl-1: NextAttemptAt=now`},
		{"wakes nothing that is over", given(closed("fl-1", Released, drifted, waits)), tornDown, ``},
	})
}

// TestIsUnreported: a refresh found the loss within the last day. It does not count if it is closed or adopted, or if a
// record has reported it since.
func TestIsUnreported(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	scope := inventory.Scope{Account: "111122223333", Region: "eu-west-1"}
	found := func(ago time.Duration) string { return DriftEventID(scope, now.Add(-ago)) }
	for name, tt := range map[string]struct {
		i    Incident
		want bool
	}{
		"open":                      {Incident{State: Open, Source: ByDrift, EventID: found(0)}, true},
		"blocked":                   {Incident{State: Blocked, Source: ByDrift, EventID: found(time.Hour)}, true},
		"restored":                  {Incident{State: Restored, Source: ByDrift, EventID: found(time.Hour)}, true},
		"the event ID has a suffix": {Incident{State: Verified, Source: ByDrift, EventID: found(time.Hour) + "-1772366400000"}, true},
		"a day ago":                 {Incident{State: Verified, Source: ByDrift, EventID: found(24 * time.Hour)}, true},
		"longer ago":                {Incident{State: Verified, Source: ByDrift, EventID: found(24*time.Hour + time.Millisecond)}, false},
		"closed":                    {Incident{State: Closed, Source: ByDrift, EventID: found(time.Hour)}, false},
		"adopted":                   {Incident{State: Restored, Adopted: true, Source: ByDrift, EventID: found(time.Hour)}, false},
		"its record came later":     {Incident{State: Restored, Source: ByEvent, EventID: found(time.Hour)}, false},
		"by a record":               {Incident{State: Restored, Source: ByEvent, EventID: "3f6a1e0c"}, false},
		"by hand":                   {Incident{State: Restored, Source: ByDrift, EventID: "by-hand-fl-1"}, false},
		"a lost replacement":        {Incident{State: Restored, Source: ByDrift, EventID: alert.LostEvent.ID("fl-1")}, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			tt.i.Scope = scope
			if got := IsUnreported(tt.i, now); got != tt.want {
				t.Errorf("%v", got)
			}
		})
	}
}
