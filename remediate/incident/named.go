package incident

import (
	"time"

	"flowkeeper/inventory"
)

// Named is what a record of DeleteFlowLogs means for one of the flow logs that it names.
type Named struct {
	Incident Incident // as it now is
	News     bool     // the record was not applied before, nor is it an addendum that says nothing new
	Excused  bool     // the deletion was allowed: released, or ignored by a rule
	// Foreseen is the reason for which the incident will end without a restore, as far
	// as that is known before AWS is asked; empty: it is not.
	Foreseen string
}

// ApplyRecord opens the incident of one flow log that a record names, or applies the
// record to the incident there is. The caller has found the fields of rec that are about
// this flow log.
func (c *Case) ApplyRecord(id string, rec Record) (n Named) {
	row, known := c.Row(id)
	known = known && !row.Imported // a file's word is none that AWS gave (I2)
	released := known && row.Released(rec.Time)
	n.Excused = released || known && !row.Protected || rec.Rule.Action == Ignore
	before, found := c.Incident(id)
	if found && rec.Applied {
		n.Incident, n.Foreseen = before, c.foresee(before)
		return n
	}
	i := before
	n.News = true
	if found {
		rec.Unreleased = known && !released && row.Released(i.LostAt())
		i = i.ApplyRecord(rec, c.Now)
		if before.State == Closed && i.State == Open && known && row.State == inventory.Live {
			i = i.FreezeSettings(row) // what AWS has shown since is what is lost now
		}
		n.News = rec.saysMore(before, i)
	} else {
		i = New(c.Scope, id, row, known, c.Now).Opened(rec, c.Now)
	}
	if i.State == Blocked || i.State == Open && i.WaitUntil.IsZero() {
		i.NextAttemptAt = c.Now
	}
	c.wakeBlocked(row.ResourceID) // it may have been in their way
	c.put(i)
	c.addHistory(id, Entry{At: c.Now, State: i.State, Reason: i.Reason, Text: "named by a record of DeleteFlowLogs",
		EventID: rec.EventID, Claim: ClaimOf(&rec.Actor, rec.Time), Actor: BoundActor(rec.Actor)})
	n.Incident, n.Foreseen = i, c.foresee(i)
	return n
}

// saysMore reports whether a record says anything new of an incident: any
// record does, but for an addendum of an event that is known to have named it
// and by which nothing changes. A forged one so hides nothing: the event that it
// claims to repeat was heard already, or says more itself (I2).
func (rec Record) saysMore(before, after Incident) bool {
	return !rec.Addendum || !rec.Named || before.State != after.State || before.Action != after.Action || before.Source != after.Source
}

// foresee is Named.Foreseen.
func (c *Case) foresee(i Incident) string {
	if i.State != Open {
		return ""
	}
	if d := c.decideAbsent(i); d.Next == Close {
		return d.Reason
	}
	return ""
}

// MayStayAway reports whether nothing would be created for an incident if an observation
// showed nothing: it is released, exempt, or only alerted. That AWS refuses to be observed
// is another matter, of which the refresh alerts.
func (c *Case) MayStayAway(i Incident) bool { return i.Pending() && c.decideAbsent(i).Next == Close }

// decideAbsent is what Decide will say of an open or blocked incident once AWS shows
// nothing on its resource, and long enough.
func (c *Case) decideAbsent(i Incident) Decision {
	return Decide(i, c.facts(i, absent(i, c.Now)), c.Policy, c.Now.Add(c.Policy.Settle))
}

// ApplyDrift opens incidents for live flow logs that a refresh no longer found, and makes
// their rows gone (I5). It returns how many it opened. tornDown are the resources that a
// record says are deleted: AWS removes their flow logs without a record, so that these
// wait for none.
func (c *Case) ApplyDrift(ids []string, eventID string, action Action, tornDown map[string]bool) (opened int) {
	for _, id := range ids {
		if c.drifted(id, eventID, action, tornDown) {
			opened++
		}
	}
	return opened
}

func (c *Case) drifted(id, eventID string, action Action, tornDown map[string]bool) (opened bool) {
	row, ok := c.Row(id)
	if !ok || row.State == inventory.Gone {
		return false
	}
	row.State, row.GoneAt = inventory.Gone, c.Now
	c.putRow(row)
	i, found := c.Incident(id)
	switch {
	case !row.Protected || row.Imported:
		c.wakeBlocked(row.ResourceID)
		return false
	case found && i.State != Closed:
		i.NextAttemptAt = c.Now
		c.put(i)
		return false
	case found && i.Reason != StillThere:
		return false
	case found:
		i = i.Reopen(c.Now).FreezeSettings(row)
	default:
		i = New(c.Scope, id, row, true, c.Now)
	}
	i.Source, i.EventID, i.Actor, i.DeletedAt = ByDrift, eventID, nil, time.Time{}
	i.Action = max(i.Action, action) // the strictest of all that was said of it
	i.WaitUntil = c.Now
	if !tornDown[row.ResourceID] {
		i.WaitUntil = c.Now.Add(c.Policy.DriftWait)
	}
	i.NextAttemptAt = c.Now // what ends without a create is decided before people hear of it
	c.put(i)
	c.addHistory(id, Entry{At: c.Now, State: Open, Text: "a refresh no longer finds it", EventID: eventID})
	return true
}

// TornDown ends the waits on a resource that a record says is deleted: the create that
// follows at once tells whether it is gone.
func (c *Case) TornDown(resource string) {
	for _, i := range c.pending(resource) {
		if i.State == Open && i.Source == ByDrift && i.WaitUntil.After(c.Now) {
			i.WaitUntil, i.NextAttemptAt = c.Now, c.Now
			c.put(i)
			c.note(NoteOverdue, i)
		}
	}
	c.wakeBlocked(resource)
}
