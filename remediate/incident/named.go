package incident

import "flowkeeper/inventory"

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
	c.Put(i)
	c.Effects.addHistory(id, Entry{At: c.Now, State: i.State, Reason: i.Reason, Text: "named by a record of DeleteFlowLogs",
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
