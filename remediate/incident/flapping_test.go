package incident

import (
	"fmt"
	"testing"
	"time"
)

// TestHoldFlapping: a lineage that was restored too often is held back, and an alert says so once (I9).
func TestHoldFlapping(t *testing.T) {
	t.Parallel()
	five := func(change ...func(*Incident)) func(*Case) {
		return func(c *Case) {
			for n := range 5 {
				i := back(fmt.Sprint("fl-0", n), "fl-x", change...)
				i.RootID, i.RestoredAt = "fl-1", now.Add(-time.Duration(n+1)*time.Minute)
				c.Load(nil, []Incident{i})
			}
		}
	}
	absentBefore := func(i *Incident) { i.AbsentAt = noon }
	play(t, []scenario{
		{"I9: five restores within the hour", given(gone("fl-1"), pending("fl-1", absentBefore), five()), observe(), `
			= flapping
			fl-1: NextAttemptAt=+9m0s Flapping=true Stuck=flapping("5 restores within an hour") StuckNews=true FlapAlerted=true
			note stuck fl-1`},
		{"I9: people were alerted of another flow log of the lineage", given(gone("fl-1"), pending("fl-1", absentBefore), five(func(i *Incident) { i.FlapAlerted = true })), observe(),
			`= flapping | fl-1: NextAttemptAt=+9m0s Flapping=true`},
		{"I9: people were alerted of this one", given(gone("fl-1"), pending("fl-1", absentBefore, func(i *Incident) { i.Flapping, i.FlapAlerted = true, true }), five()), observe(),
			`= flapping | fl-1: NextAttemptAt=+9m0s`},
		{"I9: it is restored after the interval", given(gone("fl-1"), pending("fl-1", absentBefore), five(), func(c *Case) { c.Now = now.Add(9 * time.Minute) }), func(c *Case) string {
			o := seen()
			o.At = c.Now
			i, _ := c.Incident("fl-1")
			return fmt.Sprint("create ", c.decideAfter(i, o).Next == Create)
		}, `= create true`},
		{"a person asks for it", given(gone("fl-1"), pending("fl-1", absentBefore, func(i *Incident) { i.Requested = true }), five()), observe(),
			`= create | fl-1: NextAttemptAt=now`},
		{"restores of another lineage", given(gone("fl-1"), pending("fl-1", absentBefore, func(i *Incident) { i.RootID = "fl-9" }), five()), observe(),
			`= create | fl-1: NextAttemptAt=now`},
		{"one restore fewer", given(gone("fl-1"), pending("fl-1", absentBefore), five(), func(c *Case) { c.Policy.MaxRestores = 6 }), observe(),
			`= create | fl-1: NextAttemptAt=now`},
	})
}
