package incident

import (
	"time"

	"flowkeeper/inventory"
)

// transition is one incident of a case while AWS or a person moves it on. Its methods
// change the incident, and write it to the case as their last step.
type transition struct {
	Incident
	c *Case
}

// begin starts a transition of an incident as the case has it, with no time later than now
// (see ClampTimes).
func (c *Case) begin(id string) (t *transition, found bool) {
	i, found := c.Incident(id)
	return &transition{i.ClampTimes(c.Now, c.Policy), c}, found
}

func (t *transition) put() { t.c.Put(t.Incident) }

// dueAt writes the incident, which is due next at a time; zero: never.
func (t *transition) dueAt(at time.Time) {
	t.NextAttemptAt = at
	t.put()
}

// putWithHistory writes the incident, with a line in its history and in the log where its state
// or reason has changed.
func (t *transition) putWithHistory(text string) {
	was, _ := t.c.Incident(t.FlowLogID)
	t.put()
	if was.State == t.State && was.Reason == t.Reason {
		return
	}
	t.c.Effects.Log = append(t.c.Effects.Log, LogLine{Incident: t.Incident, Text: text})
	t.c.Effects.addHistory(t.FlowLogID, Entry{At: t.c.Now, State: t.State, Reason: t.Reason, Text: text})
}

// close ends the incident without a restore.
func (t *transition) close(reason Reason, advice string) {
	t.State, t.Reason, t.Advice = Closed, reason, advice
	if reason == StillThere {
		t.revive()
	}
	t.putWithHistory(advice)
	t.unschedule()
}

// unschedule makes an incident that is terminal due no more. While a record may open it again, it is due once more, when
// that time ends.
func (t *transition) unschedule() {
	if awaitsRecord(t.Incident, t.c.Now) {
		t.dueAt(t.WaitUntil)
		return
	}
	t.dueAt(time.Time{})
	if t.State == Closed {
		t.c.place(t.ResourceID).protect()
	}
}

// markAbsent notes that AWS does not show the flow log any more. If AWS shows it again, the
// count of observations that show it (TimesAlive) begins anew.
func (t *transition) markAbsent() {
	t.markGone()
	t.AliveSince, t.TimesAlive = time.Time{}, 0
	if t.AbsentAt.IsZero() {
		t.AbsentAt, t.Untried = t.c.Now, false
		t.c.place(t.ResourceID).unprotectLate(t.Incident)
	}
}

// markGone marks the lost flow log's row.
func (t *transition) markGone() {
	if row, ok := t.c.Row(t.FlowLogID); ok && row.State != inventory.Gone {
		row.State, row.GoneAt = inventory.Gone, t.c.Now
		t.c.putRowAndNotice(row)
	}
}

// revive makes the row of a flow log that AWS shows alive live again: nothing
// but this decision does (I5).
func (t *transition) revive() {
	row, ok := t.c.Row(t.FlowLogID)
	if !ok || row.State == inventory.Live && !row.Imported {
		return
	}
	row.State, row.GoneAt, row.WrittenAt, row.Imported = inventory.Live, time.Time{}, t.c.Now, false
	t.c.putRowAndNotice(row)
}
