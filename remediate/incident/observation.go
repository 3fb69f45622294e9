package incident

import (
	"time"

	"flowkeeper/inventory"
)

// Observation is what AWS showed on some resources.
type Observation struct {
	At        time.Time       // when AWS was asked
	Resources map[string]bool // that it was asked about
	FlowLogs  map[string]inventory.FlowLog
	// AlreadyExists: it was made because a create answered FlowLogAlreadyExists.
	AlreadyExists bool
}

// Decide says what to do next about an open or blocked incident.
func (c *Case) Decide(i Incident, o Observation) Decision {
	if _, seen := c.seen(i); !i.Known && seen {
		return Decision{Next: Requeue, At: c.Now} // learn it first
	}
	return Decide(i.ClampTimes(c.Now, c.Policy), c.facts(i, o), c.Policy, c.Now)
}

// clamped is an incident with no time that counts from later than now.
func (c *Case) clamped(id string) (Incident, bool) {
	i, ok := c.Incident(id)
	return i.ClampTimes(c.Now, c.Policy), ok
}

// ApplyObservation decides about an open or blocked incident, and records what needs no
// create: for a create, the incident stays due.
func (c *Case) ApplyObservation(id string, o Observation) {
	if i, ok := c.clamped(id); ok && i.Pending() {
		c.apply(i, o)
	}
}

func (c *Case) apply(i Incident, o Observation) {
	if row, seen := c.seen(i); !i.Known && seen {
		i = i.FreezeSettings(row)
		i.NextAttemptAt = c.Now // with its resource known, the next step observes
		c.Put(i)
		c.Effects.note(NoteKnown, i)
		return
	}
	f := c.facts(i, o)
	if i.Known && !f.Covers(i) {
		i.NextAttemptAt = c.Now // it became known, or was opened again, since the observation
		c.Put(i)
		return
	}
	if i.Known && !f.Alive {
		i.AliveSince, i.Looks = time.Time{}, 0
		if i.AbsentAt.IsZero() {
			i.AbsentAt = c.Now
		}
		c.markGone(i)
	}
	d := Decide(i, f, c.Policy, c.Now)
	switch d.Next {
	case Requeue:
		if f.Alive {
			if i.AliveSince.IsZero() {
				i.AliveSince = c.Now
			}
			i.Looks++
		}
		i.NextAttemptAt = d.At
		c.Put(i)
	case Hold:
		i.NextAttemptAt = d.At
		c.Put(i)
	case HoldFlapping:
		c.holdFlapping(i, f.Restores, d.At)
	case NextToken:
		i.Generation++
		i.MismatchAt, i.NextAttemptAt = time.Time{}, c.Now
		c.Put(i)
	case Create:
		i.NextAttemptAt = c.Now
		c.Put(i)
	case DecoyInTheWay:
		c.block(i, inTheWay(i, d.Found))
	case Adopt:
		c.restored(i, d.Found.FlowLog, true)
	case Close:
		switch d.Reason {
		case AlertOnly:
			i.ModeOnly = c.Policy.AlertOnly
		case Replaced:
			c.excuse(i, d.Found.ID)
		}
		c.close(i, d.Reason, d.Advice)
	}
}

// excuse notes which loss a flow log has excused.
func (c *Case) excuse(i Incident, by string) {
	if row, ok := c.Row(by); ok {
		row.Excuses = i.FlowLogID
		c.putRow(row)
	}
}

// markGone marks the lost flow log's row, once AWS does not show it any more.
func (c *Case) markGone(i Incident) {
	if row, ok := c.Row(i.FlowLogID); ok && row.State != inventory.Gone {
		row.State, row.GoneAt = inventory.Gone, c.Now
		c.putRow(row)
	}
}

// revive makes the row of a flow log that AWS shows alive live again: nothing
// but this decision does (I5).
func (c *Case) revive(i Incident) {
	row, ok := c.Row(i.FlowLogID)
	if !ok || row.State == inventory.Live && !row.Imported {
		return
	}
	row.State, row.GoneAt, row.WrittenAt, row.Imported = inventory.Live, time.Time{}, c.Now, false
	c.putRow(row)
}

// close ends an incident without a restore.
func (c *Case) close(i Incident, reason, advice string) {
	i.State, i.Reason, i.Advice, i.NextAttemptAt = Closed, reason, advice, time.Time{}
	if reason == StillThere {
		c.revive(i)
	}
	if i.AwaitsRecord(c.Now) {
		i.NextAttemptAt = i.WaitUntil
		c.conclude(i, advice)
		return
	}
	c.conclude(i, advice)
	c.protect(i.ResourceID)
}

// Finish is the last step of an incident that is settled: nothing is left to do.
func (c *Case) Finish(id string) {
	i, ok := c.clamped(id)
	if !ok || !i.Settled() {
		return // it was opened again meanwhile
	}
	if i.AwaitsRecord(c.Now) { // a long drift_wait is due before its end, too
		i.NextAttemptAt = i.WaitUntil
		c.Put(i)
		return
	}
	i.NextAttemptAt = time.Time{}
	c.Put(i)
	if i.State == Closed {
		c.protect(i.ResourceID)
	}
}
