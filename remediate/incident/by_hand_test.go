package incident

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"flowkeeper/inventory"
)

func TestRequest(t *testing.T) {
	t.Parallel()
	request := func(c *Case) string {
		if err := c.ByHand().Request("fl-1", c.Now); err != nil {
			return err.Error()
		}
		return ""
	}
	waits := func(i *Incident) { i.Action, i.Waited, i.WaitUntil = Wait, time.Hour, now.Add(time.Hour) }
	madeAt := func(at time.Time) func(*inventory.Row) {
		return func(r *inventory.Row) { r.CreatedAt = at }
	}
	ahead := func(i *Incident) { i.AbsentAt = now.Add(time.Hour) }
	play(t, []scenario{
		{"what no record or refresh has reported", given(live("fl-1")), request, `
			row fl-1: State=gone GoneAt=now
			fl-1 opened: Source=drift EventID=by-hand-fl-1 Action=restore Requested=true
			history fl-1 open: a person asked for it (flowkeeper restore) (by-hand-fl-1)
			note requested fl-1 | note overdue fl-1`},
		{"I4: what is so young that AWS may not show it", given(live("fl-1", madeAt(now.Add(-time.Minute)))), request, `= fl-1 is younger than 2m0s, and AWS may not show it yet: if it is gone, try again after that time`},
		{"what seems to be created in the future, because the clock has gone back", given(live("fl-1", madeAt(now.Add(time.Hour)))), request, `
			row fl-1: State=gone GoneAt=now
			fl-1 opened: Source=drift EventID=by-hand-fl-1 Action=restore Requested=true
			history fl-1 open: a person asked for it (flowkeeper restore) (by-hand-fl-1)
			note requested fl-1 | note overdue fl-1`},
		{"what is young, and a record says that it was deleted", given(live("fl-1", madeAt(now.Add(-time.Minute))), pending("fl-1")), request, `
			row fl-1: State=gone GoneAt=now
			fl-1: Requested=true NextAttemptAt=now
			history fl-1 open: a person asked for it (flowkeeper restore) (e-1)
			note requested fl-1 | note overdue fl-1`},
		{"what is gone", given(gone("fl-1")), request, `
			fl-1 opened: Source=drift EventID=by-hand-fl-1 Action=restore Requested=true
			history fl-1 open: a person asked for it (flowkeeper restore) (by-hand-fl-1)
			note requested fl-1 | note overdue fl-1`},
		{"I2: what only a file has", given(live("fl-1", imported)), request, `
			row fl-1: State=gone GoneAt=now
			fl-1 opened: Source=drift EventID=by-hand-fl-1 Action=restore Requested=true
			history fl-1 open: a person asked for it (flowkeeper restore) (by-hand-fl-1)
			note requested fl-1 | note overdue fl-1`},
		{"what is released", given(gone("fl-1", released), closed("fl-1", Released)), request,
			`fl-1 reopened: Requested=true | history fl-1 open: a person asked for it (flowkeeper restore) (e-1) | note requested fl-1 | note overdue fl-1`},
		{"what waits", given(gone("fl-1"), pending("fl-1", waits)), request, `
			fl-1: Action=restore WaitUntil=now Requested=true NextAttemptAt=now
			history fl-1 open: a person asked for it (flowkeeper restore) (e-1)
			note requested fl-1 | note overdue fl-1`},
		{"what is blocked", given(gone("fl-1"), blocked("fl-1", Role)), request,
			`fl-1: Requested=true NextAttemptAt=now | history fl-1 blocked: a person asked for it (flowkeeper restore) (e-1) | note requested fl-1 | note overdue fl-1`},
		{"what was opened by a clock that was ahead", given(gone("fl-1"), pending("fl-1", ahead)), request, `
			fl-1: Requested=true AbsentAt=now NextAttemptAt=now
			history fl-1 open: a person asked for it (flowkeeper restore) (e-1)
			note requested fl-1 | note overdue fl-1`},
		{"what a record named before AWS showed it", given(live("fl-1"), pending("fl-1", unknown)), request, `
			row fl-1: State=gone GoneAt=now
			fl-1: ResourceID=vpc-1 Known=true Frozen=wanted FirstSeenAt=-24h1m0s LastSeenAt=-1h1m0s OpenedAt=now Requested=true NextAttemptAt=now
			history fl-1 open: a person asked for it (flowkeeper restore) (e-1)
			note requested fl-1 | note overdue fl-1`},
		{"what only its incident knows", given(closed("fl-1", AlertOnly)), request,
			`fl-1 reopened: Requested=true | history fl-1 open: a person asked for it (flowkeeper restore) (e-1) | note requested fl-1 | note overdue fl-1`},
		{"what is back", given(gone("fl-1"), back("fl-1", "fl-2")), request, ``},
		{"what is back and verified", given(gone("fl-1"), back("fl-1", "fl-2", func(i *Incident) { i.State = Verified })), request, ``},
		{"I4: what is superseded: the incident of its replacement goes on", given(gone("fl-1"), closed("fl-1", Superseded, func(i *Incident) { i.NewID = "fl-2" }), gone("fl-2"), pending("fl-2")), request, ``},
		{"I2: what nobody knows", given(), request, `= the snapshot never saw fl-1 in 111122223333/eu-west-1: there is nothing to recreate it from`},
		{"I2: what only a record knows", given(closed("fl-1", Unknown, unknown)), request,
			`= the snapshot never saw fl-1 in 111122223333/eu-west-1: there is nothing to recreate it from`},
	})
}

// TestPlannedChangesNothing: Planned returns the incident that Request then opens, and changes nothing.
func TestPlannedChangesNothing(t *testing.T) {
	t.Parallel()
	for _, c := range []*Case{given(live("fl-1")), given(gone("fl-1"), closed("fl-1", Released)), given(gone("fl-1"), blocked("fl-1", Role)), given(gone("fl-1"), back("fl-1", "fl-2"))} {
		var planned Incident
		if changes := report(c, func(c *Case) string {
			i, err := c.ByHand().Planned("fl-1")
			planned = i
			return strings.TrimPrefix(fmt.Sprint(errors.Join(err)), "<nil>")
		}); changes != "" {
			t.Error(changes)
		}
		if err := c.ByHand().Request("fl-1", c.Now); err != nil {
			t.Error(err)
		}
		if i, _ := c.Incident("fl-1"); differences(planned, i) != "" {
			t.Errorf("the incident differs from the planned one: %s", differences(planned, i))
		}
	}
}

func TestCloseReleased(t *testing.T) {
	t.Parallel()
	closeReleased := func(c *Case) string { return fmt.Sprint(c.ByHand().CloseReleased("fl-1", "an operator released it")) }
	requested := func(i *Incident) { i.Requested = true }
	play(t, []scenario{
		{"what is open", given(gone("fl-1"), pending("fl-1", requested), live("fl-2", unprotected, does(rejects))), closeReleased, `
			= true
			row fl-2: Protected=true
			fl-1: State=closed Reason=released Advice="an operator released it" Requested=false NextAttemptAt=never
			logged fl-1 closed/released: an operator released it`},
		{"what is blocked", given(gone("fl-1"), blocked("fl-1", Decoy)), closeReleased, `
			= true
			fl-1: State=closed Reason=released Advice="an operator released it" NextAttemptAt=never Stuck=nothing
			logged fl-1 closed/released: an operator released it`},
		{"what is back", given(gone("fl-1"), back("fl-1", "fl-2")), closeReleased, `= false`},
		{"what is over", given(gone("fl-1"), closed("fl-1", Exempt)), closeReleased, `= false`},
		{"what is not lost", given(live("fl-1")), closeReleased, `= false`},
	})
}

func TestWake(t *testing.T) {
	t.Parallel()
	wake := func(c *Case) string { c.ByHand().Wake("fl-1"); return "" }
	play(t, []scenario{
		{"blocked", given(blocked("fl-1", Role)), wake, `fl-1: NextAttemptAt=now`},
		{"unknown", given(), wake, ``},
	})
}
