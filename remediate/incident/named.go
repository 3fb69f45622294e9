package incident

import (
	"time"

	"flowkeeper/inventory"
)

// Named is what a record of DeleteFlowLogs means for one of the flow logs that it names.
type Named struct {
	Incident Incident // as it now is
	News     bool     // the record was not applied before, nor is it an addendum that says nothing new
	Allowed  bool     // the deletion was allowed: released, not protected, or ignored by a rule
	Foreseen Reason   // of an open incident: see Case.Foresee
}

// ApplyRecord opens the incident of one flow log that a record names, or applies the
// record to the incident there is. The caller has found the fields of rec that are about
// this flow log.
func (c *Case) ApplyRecord(id string, rec Record) (n Named) {
	row, known := c.Row(id)
	known = known && !row.Imported // AWS has not shown it: only a file says that it exists (I2)
	released := known && row.Released(rec.Time)
	unprotected := known && !row.Protected && !row.Held // a held one waits until a person says whether it is wanted
	// decide is about the incident, which several records may have named. The level of this record's alert is
	// about its call alone: whether the call was allowed when it was made.
	n.Allowed = released || unprotected || rec.Rule.Action == Ignore
	i, found := c.Incident(id)
	if !found || !rec.Applied {
		rec.Unreleased = known && !released && row.Released(i.lostAt())
		i, n.News = c.openOrUpdate(id, rec, row, known)
	}
	n.Incident = i
	if i.State == Open {
		n.Foreseen = c.Foresee(i)
	}
	return n
}

// openOrUpdate writes the incident of a flow log as a record opens or changes it. known: row is
// what the snapshot has of it. news: see Named.
func (c *Case) openOrUpdate(id string, rec Record, row inventory.Row, known bool) (i Incident, news bool) {
	if before, found := c.Incident(id); found {
		if known && before.closedAs(Unknown) { // AWS has shown it since: a refresh may have failed after that
			c.Rows().Relearn(id)
			before, _ = c.Incident(id)
		}
		i = rec.applyTo(before, c.Now)
		reopened := before.State == Closed && i.State == Open
		if reopened && known && row.State == inventory.Live {
			i = i.freezeSettings(row) // what AWS has shown since is what is lost now
		}
		news = rec.isNews(before, i)
	} else {
		i, news = rec.open(New(c.Scope, id, row, known, c.Now), c.Now), true
		i.LateDestination = known && c.toNewDestination(row)
	}
	if i.State == Blocked || i.State == Open && i.WaitUntil.IsZero() {
		i.NextAttemptAt = c.Now
	}
	c.place(row.ResourceID).wakeBlocked() // the lost flow log may have been in their way
	c.Put(i)
	putOffNotices(c.place(row.ResourceID), i)
	if known && row.State == inventory.Gone && row.DecoyNotice != nil {
		c.putRowAndNotice(row) // the alert of its deletion names it
	}
	c.Effects.addHistory(id, Entry{At: c.Now, State: i.State, Reason: i.Reason, Text: "named by a record of DeleteFlowLogs",
		EventID: rec.EventID, Claim: ClaimOf(&rec.Actor, rec.Time), Actor: BoundActor(rec.Actor)})
	return i, news
}

// isNews reports whether a record adds anything to an incident. Every record does, except an addendum whose original
// is known to have named the flow log, if it changes nothing. So a forged addendum hides no record (I2).
func (rec Record) isNews(before, after Incident) bool {
	repeats := rec.Addendum && rec.NamedBefore
	unchanged := before.State == after.State && before.Action == after.Action && before.Source == after.Source
	return !repeats || !unchanged
}

// Foresee is the reason for which an open or blocked incident will end without a restore
// once AWS has shown nothing on its resource for long enough: it is released, exempt, or
// only alerted; empty: it will not. If AWS refuses to be asked, the refresh alerts of that.
func (c *Case) Foresee(i Incident) Reason {
	if !i.Pending() {
		return ""
	}
	return c.decideAbsent(i).Reason
}

// Forecast returns what would be decided about a flow log that a record names, if AWS did not show it: adopt its
// replacement, or else what decide says of a new incident that this record opens.
func (c *Case) Forecast(id string, rec Record) Decision {
	row, known := c.Row(id)
	if i, _ := c.Incident(id); known && i.HasReplacement() {
		return Decision{Next: Adopt, Found: Other{FlowLog: inventory.FlowLog{ID: i.NewID}}}
	}
	return c.decideAbsent(rec.open(New(c.Scope, id, row, known && !row.Imported, c.Now), c.Now))
}

// decideAbsent decides as if AWS showed nothing on an incident's resource, and had done so
// for long enough.
func (c *Case) decideAbsent(i Incident) Decision {
	at := Later(c.Now, i.OpenedAt) // another message may have opened it a moment after this one's now
	f := c.facts(i, Observation{At: at, Resources: map[string]bool{i.ResourceID: true}})
	f.CreatedAt, f.MayBeDecoy = time.Time{}, false // no end is deferred
	return decide(i, f, c.Policy, c.Now)
}
