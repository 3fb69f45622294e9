package incident

import (
	"time"

	"flowkeeper/inventory"
)

// Rows changes what a case has of the snapshot: flow logs that AWS has shown, who made them,
// and which of them are protected.
type Rows struct{ c *Case }

// Rows is what may be changed about the snapshot's rows of the case.
func (c *Case) Rows() Rows { return Rows{c} }

// installation is how long the first refreshes of an account's Regions may follow each other.
const installation = 24 * time.Hour

// MayHold reports whether a flow log that AWS has not shown before may be held. What the first
// refresh of a scope shows was there before Flowkeeper; but if the account's other Regions have been
// watched for longer than it takes to install Flowkeeper, it may be an attacker's, who has enabled the
// Region for it.
func (r Rows) MayHold() bool {
	c := r.c
	isLateRegion := !c.AccountSince.IsZero() && c.AccountSince.Before(c.Now.Add(-installation))
	return c.Holds || isLateRegion
}

// Learns reports whether ApplyFound would take up a flow log that AWS showed at a time as
// one that AWS has not shown before.
func (r Rows) Learns(id string, at time.Time) bool {
	c := r.c
	row, ok := c.Row(id)
	return !ok || row.Imported && !hasJustGone(row, at, c.Policy)
}

// hasJustGone reports whether a row that a copy of the state file had as gone went
// so recently that a listing may still show it.
func hasJustGone(row inventory.Row, at time.Time, p Policy) bool {
	return IsRecent(row.GoneAt, at, p.ConsistencyWindow)
}

// DestinationFacts are what the state file knows of where a new flow log delivers.
type DestinationFacts struct {
	New     bool // no flow log of the scope delivered there before
	Trusted bool // a protected flow log of any scope delivers to its recipient, or it was approved
}

// ApplyFound writes a flow log that AWS showed at a time, and reports whether it is new.
// A gone row stays as it is (I5). A decoy is kept, but not protected.
// After the first refresh, one is held that delivers to a recipient that is not trusted: it
// is kept, but not protected.
func (r Rows) ApplyFound(f inventory.FlowLog, to DestinationFacts, at time.Time) (isNew bool) {
	c := r.c
	row, ok := c.Row(f.ID)
	p := c.place(f.ResourceID)
	switch {
	case !ok && p.isStale(f): // no new row: it is gone
	case !ok:
		allowed := Protects(c.Policy.Destinations, f.Destination(c.Scope))
		held := r.MayHold() && !to.Trusted && !c.Policy.lists(f.Destination(c.Scope))
		isDecoy := isDecoyOfAny(f, mayComeBack(p)) || p.precedesReplacement(f)
		isNew := to.New && (c.Complete || !allowed)
		c.putRowAndNotice(inventory.Row{
			FlowLog: f, RootID: f.ID, State: inventory.Live, Excluded: !allowed, Held: held,
			Protected:      allowed && !held && !isDecoy,
			NewDestination: held || isNew,
			OwnTags:        p.ownTagsOf(f),
			FirstSeenAt:    at, LastSeenAt: at, WrittenAt: at,
		})
		p.takeAnswer(f)
		return true
	case row.Imported && !hasJustGone(row, at, c.Policy):
		row.FlowLog = f
		row.Imported, row.State, row.GoneAt, row.WrittenAt = false, inventory.Live, time.Time{}, at
		c.putRowAndNotice(row)
		r.shownAlive(row, at)
	case !row.Imported && row.State == inventory.Live:
		row.FlowLog = f
		c.putRowAndNotice(row)
	}
	return false // a row that has just gone stays so: if the flow log is there, the next listing shows it again
}

// shownAlive corrects what an incident says of a flow log that a file or a copy of
// the state file had, now that AWS lists it: one that is pending is due at once,
// with the settings that AWS shows; after any other, records count again.
func (r Rows) shownAlive(row inventory.Row, at time.Time) {
	c := r.c
	i, found := c.Incident(row.ID)
	switch {
	case !found:
	case i.Pending():
		i = i.freezeSettings(row)
		i.NextAttemptAt = at
		c.Put(i)
	case !i.countsRecord():
		i = i.closedAlive(at)
		c.Put(i)
		c.Effects.addHistory(row.ID, Entry{At: at, State: i.State, Reason: i.Reason, Text: i.Advice})
	}
}

// Relearn makes the incident of a flow log due that the snapshot did not know. If it knows the
// flow log now, the incident gets its settings, and is open again if it was closed. If it does
// not, decide may close the incident as unknown.
func (r Rows) Relearn(id string) {
	c := r.c
	i, found := c.Incident(id)
	row, ok := c.Row(id)
	switch known := ok && !row.Imported; {
	case !found, !known && i.State == Closed:
		return
	case known:
		if i.State == Closed {
			i = i.reopen(c.Now)
			c.Effects.note(NoteReopened, i)
			c.Effects.addHistory(id, Entry{At: c.Now, State: Open, Text: "AWS shows that there was such a flow log", EventID: i.EventID})
		}
		i = nowKnown(c, i, row)
		c.Effects.note(NoteKnown, i)
	}
	i.NextAttemptAt = c.Now
	c.Put(i)
}

// Created notes which principal made a flow log. If records name two makers, the one whose deletions get the stricter
// action counts: a forged record can't lend a flow log a trusted maker (I2).
func (r Rows) Created(id, by string) {
	c := r.c
	row, ok := c.Row(id)
	asksFor := func(principal string) Action { return c.Policy.RuleFor(c.Scope.Account, principal).Action }
	if ok && (row.CreatedBy == "" || asksFor(by) > asksFor(row.CreatedBy)) {
		p := c.place(row.ResourceID)
		wasByTelemetry := p.madeByTelemetry(row)
		row.CreatedBy = by
		c.putRowAndNotice(row)
		switch {
		case p.madeByTelemetry(row):
			p.protect()
			p.clearDecoys(id)
		case wasByTelemetry:
			p.distrust(row)
		}
	}
	c.place(row.ResourceID).wakeBlocked()
	if i, found := c.Incident(id); found && !i.Known {
		r.Relearn(id)
	}
}

// Approve ends the hold of a flow log. One that is gone stays gone: only a person's request
// brings it back.
func (r Rows) Approve(id string) {
	c := r.c
	row, ok := c.Row(id)
	if !ok || !row.Held {
		return
	}
	row.Held = false
	c.putRowAndNotice(row)
	if row.State == inventory.Live {
		c.place(row.ResourceID).protect()
	}
}

// Exclude makes a live row excluded or not by the policy's destinations, and so protected
// or not.
func (r Rows) Exclude(id string) {
	c := r.c
	row, ok := c.Row(id)
	if !ok || row.State == inventory.Gone {
		return
	}
	row.Excluded, row.Protected = !Protects(c.Policy.Destinations, row.Destination(c.Scope)), false
	row.Held = row.Held && !c.Policy.lists(row.Destination(c.Scope))
	c.putRowAndNotice(row)
	if !row.Excluded {
		c.place(row.ResourceID).protect()
	}
}

// ProtectShown protects those of some decoys that complete refreshes show together with the flow log in whose
// place they stand. For the others it brings the notices forward: the clock may have gone back since they were noted.
func (r Rows) ProtectShown(ids []string) {
	seen := map[string]bool{} // resources: there may be many decoys on one
	for _, id := range ids {
		if row, ok := r.c.Row(id); ok && !seen[row.ResourceID] {
			seen[row.ResourceID] = true
			r.c.place(row.ResourceID).protect()
		}
	}
	for _, id := range ids {
		if row, ok := r.c.Row(id); ok && row.DecoyNotice != nil {
			r.bringForward(row)
		}
	}
}

// bringForward makes the notice of a decoy due no later than one that begins now would be.
func (r Rows) bringForward(row inventory.Row) {
	if due := noticeDue(r.c.place(row.ResourceID), row); due.Before(row.DecoyNotice.Due) {
		earlier := *row.DecoyNotice
		earlier.Since, earlier.Due = Soonest(earlier.Since, r.c.Now), due
		row.DecoyNotice = &earlier
		r.c.putRowAndNotice(row)
	}
}
