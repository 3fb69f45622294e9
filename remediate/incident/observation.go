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
	// AlreadyExists: AWS was asked because a create had answered FlowLogAlreadyExists.
	AlreadyExists bool
	// Failure is why AWS has not answered; nil: it has.
	Failure *Answer
}

// On are the IDs of the flow logs that it shows on a resource.
func (o Observation) On(resource string) (ids []string) {
	for id, f := range o.FlowLogs {
		if f.ResourceID == resource {
			ids = append(ids, id)
		}
	}
	return ids
}

// lacks reports whether AWS was asked about a resource, and did not show a flow log of it.
func (o Observation) lacks(id, resource string) bool {
	_, shown := o.FlowLogs[id]
	return o.Resources[resource] && !shown
}

// decideAfter is decide with the facts of the case and of an observation.
func (c *Case) decideAfter(i Incident, o Observation) Decision {
	if _, seen := seenRow(c, i); !i.Known && seen {
		return Decision{Next: Requeue, At: c.Now} // learn it first
	}
	return decide(i.ClampTimes(c.Now, c.Policy), c.facts(i, o), c.Policy, c.Now)
}

// applyObservation decides about an open or blocked incident, and carries out the decision.
// It makes no create: if one is due, the incident stays due.
func (c *Case) applyObservation(id string, o Observation) {
	if t, ok := c.begin(id); ok && t.Pending() {
		t.applyObservation(o)
	}
}

// unschedule is transition.unschedule for an incident that is still terminal: verified or closed.
func (c *Case) unschedule(id string) {
	if t, ok := c.begin(id); ok && t.Terminal() { // else it was opened again meanwhile
		t.unschedule()
	}
}

// applyObservation is Case.applyObservation for a transition.
func (t *transition) applyObservation(o Observation) {
	c := t.c
	if row, seen := seenRow(c, t.Incident); !t.Known && seen {
		t.Incident = nowKnown(c, t.Incident, row)
		t.dueAt(c.Now) // with its resource known, the next step observes
		c.Effects.note(NoteKnown, t.Incident)
		return
	}
	f := c.facts(t.Incident, o)
	if t.Known && !f.covers(t.Incident) {
		t.dueAt(c.Now) // it became known, or was opened again, since the observation
		return
	}
	if t.Known && !f.Alive {
		t.markAbsent()
	}
	if f.Alive {
		t.NotFoundAt = time.Time{} // its resource is there, too
	}
	d := decide(t.Incident, f, c.Policy, c.Now)
	if f.Alive && d.Next == Requeue {
		t.AliveSince = Soonest(t.AliveSince, c.Now)
		t.TimesAlive++
	}
	t.follow(d, f)
}

// follow carries out a decision, which f led to; for a create, the incident stays due.
func (t *transition) follow(d Decision, f Facts) {
	switch d.Next {
	case Requeue, Postpone:
		if f.AlreadyExists && !f.Alive {
			t.ExistsAt = Soonest(t.ExistsAt, t.c.Now)
		}
		t.dueAt(d.At)
	case PostponeFlapping:
		t.holdFlapping(f.Restores, d.At)
	case NextToken:
		t.Generation++
		t.RandomToken, t.MismatchAt = t.c.randomToken(t.Incident), time.Time{}
		t.dueAt(t.c.Now)
	case Create:
		t.dueAt(t.c.Now)
	case DecoyInTheWay:
		mayBeOlder := mayPredate(t.Incident, d.Found.FlowLog, t.c.Policy.ConsistencyWindow)
		if !mayBeOlder { // else it may be nobody's decoy, and stays protected
			t.c.place(t.ResourceID).unprotect(d.Found.FlowLog)
			t.ExistsAt = time.Time{} // the decoy is found: once it is gone, AWS may refuse because of one that it does not show
		}
		row, _ := t.c.Row(d.Found.ID)
		decoyObstacle(t.Incident, d.Found, mayBeOlder, isGuarded(row)).block(t)
	case Adopt:
		from := adopted
		switch {
		case mayHaveMade(t.Incident, d.Found.FlowLog):
			from = foundOurs
		case diedCreating(t.c, t.Incident, d.Found.FlowLog):
			from = foundUnstored
		}
		t.takeReplacement(d.Found.FlowLog, from)
	case Close:
		switch d.Reason {
		case AlertOnly:
			t.ModeOnly = d.Cause == ModeAlerts
		case Replaced:
			t.excuse(d.Found.ID)
		case Exempt:
			if row, _ := t.c.Row(t.FlowLogID); row.Protected && f.unprotected() {
				t.c.place(t.ResourceID).setProtected(row, false) // so that it counts as a decoy for a later record, too
			}
		}
		t.close(d.Reason, d.Advice)
		if d.Reason == StillThere {
			t.c.place(t.ResourceID).protectShown(t.Frozen, f.shown())
		}
	}
}

// excuse notes which loss a flow log has excused.
func (t *transition) excuse(by string) {
	if row, ok := t.c.Row(by); ok {
		row.Excuses = t.FlowLogID
		t.c.putRowAndNotice(row)
	}
}
