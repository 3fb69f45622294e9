package incident

import (
	"time"

	"flowkeeper/inventory"
)

// ApplyDrift marks the live row of a flow log as gone, because a refresh no longer found it, and
// opens an incident for it (I5). It reports whether it opened one. The incident may wait for the
// record of the deletion (see driftWait), but not if its resource is in tornDown: a record says that
// the resource is deleted, and AWS removes the flow logs of a deleted resource without a record.
func (c *Case) ApplyDrift(id, eventID string, tornDown map[string]bool) (opened bool) {
	row, ok := c.Row(id)
	if !ok || row.State == inventory.Gone {
		return false
	}
	row.State, row.GoneAt = inventory.Gone, c.Now
	c.putRowAndNotice(row)
	i, found := c.Incident(id)
	switch {
	case !row.Protected && !row.Held || row.Imported:
		c.place(row.ResourceID).wakeBlocked()
		return false
	case found && i.State != Closed:
		i.NextAttemptAt = c.Now
		c.Put(i)
		return false
	case found && i.Reason != StillThere && i.Reason != Unknown: // AWS has shown an unknown one since: a refresh may have failed after that
		return false
	case found:
		i = i.reopen(c.Now).freezeSettings(row)
	default:
		i = New(c.Scope, id, row, true, c.Now)
		i.LateDestination = c.toNewDestination(row)
	}
	i.Source, i.EventID, i.Actor, i.DeletedAt = ByDrift, eventID, nil, time.Time{}
	i.Action = max(i.Action, c.Policy.driftAction(c.Stale)) // the strictest that any report of the loss asks for
	i.WaitUntil = c.Now
	if !tornDown[row.ResourceID] {
		i.WaitUntil = c.Now.Add(c.Policy.driftWait(row, i.lostAt()))
	}
	i.NextAttemptAt = c.Now // an incident that needs no create is decided before the alert
	c.Put(i)
	c.place(i.ResourceID).unprotectLate(i)
	c.Effects.addHistory(id, Entry{At: c.Now, State: Open, Text: "a refresh no longer finds it", EventID: eventID})
	return true
}

// driftAction is what a loss asks for that only a refresh has found. If the snapshot is from an old copy of the
// state file, nothing is restored without a person: see Case.Stale.
func (p Policy) driftAction(stale bool) Action {
	if p.DriftAlerts || stale {
		return Alert
	}
	return Restore
}

// TornDown ends the waits of incidents on a resource that a record says is deleted: the create
// that follows at once shows whether the resource is gone.
func (c *Case) TornDown(resource string) {
	for _, i := range c.pending(resource) {
		if i.State == Open && i.Source == ByDrift && i.WaitUntil.After(c.Now) {
			i.WaitUntil, i.NextAttemptAt = c.Now, c.Now
			c.Put(i)
			c.Effects.note(NoteOverdue, i)
		}
	}
	c.place(resource).wakeBlocked()
}
