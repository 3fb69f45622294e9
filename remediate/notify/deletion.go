package notify

import (
	"time"

	"flowkeeper/alert"
	"flowkeeper/internal/detection"
	"flowkeeper/remediate/incident"
)

// Deletion is what follows from a record of a deletion, after its case has applied the record.
type Deletion struct {
	// Event is that of the record, as if no earlier record had its event ID. The caller adds
	// the campaign that it belongs to.
	Event     incident.Event
	Incidents []incident.Incident // in the order of the record
	NeverSaw  bool                // the snapshot has none of the flow logs, and never had one

	facts    []string // that have raised the level
	foreseen []incident.Reason
}

// NewDeletion is the deletion of a record. named has what the record means for each of its flow logs, in the
// order of the record. If all of it was allowed, the deletion is informational; otherwise facts may raise its level.
func NewDeletion(c *incident.Case, f detection.Finding, named []incident.Named, now time.Time) Deletion {
	d := Deletion{Event: newEvent(c.Scope, f, c.Policy, now), NeverSaw: c.NeverSaw(f.Deleted)}
	allowed := len(f.Deleted) > 0 && len(f.Failed) == 0
	for _, n := range named {
		d.Incidents, d.foreseen = append(d.Incidents, n.Incident), append(d.foreseen, n.Foreseen)
		allowed = allowed && n.Allowed
	}
	if allowed {
		d.Event.Level = alert.Informational
		return d
	}
	d.facts = DeletionFacts(c.Policy, c, d.Event.Actor, FlowLogs(d.Incidents))
	d.Event.Level = d.Event.Level.RaisedBy(d.facts)
	return d
}

// Alert is the alert of the deletion. recent is what else its principal did.
func (d Deletion) Alert(recent []alert.RecentCalls, now time.Time) alert.Alert {
	a := deletionAlert(d.Event, d.Incidents, d.facts, now)
	a.Recent = recent
	for n, reason := range d.foreseen {
		a.FlowLogs[n].Foreseen = string(reason)
	}
	return a
}

// AfterRecord is the event to store after the record. before is the event of an earlier record with the same event ID;
// seenBefore: there was one. alerted: the alert is in the outbox, and not held back.
//
// While the alert is held back, the times of earlier alerts stay. Otherwise the deletion is alerted once
// more, and its end must be alerted once more, too: before's RestoredAlertedAt and ClosedAlertedAt are dropped.
func (d Deletion) AfterRecord(before incident.Event, seenBefore, alerted bool, p incident.Policy, now time.Time) incident.Event {
	e := d.Event
	if seenBefore {
		e = before.MergeRecord(d.Event, d.Incidents)
	}
	e.Unknown = d.NeverSaw && (!seenBefore || before.Unknown)
	if !alerted {
		return e
	}
	e.ReopenedAt, e.RestoredAlertedAt, e.ClosedAlertedAt, e.NotTaggedAt, e.Deadline = time.Time{}, time.Time{}, time.Time{}, time.Time{}, time.Time{}
	return afterDeletionAlert(e, d.Incidents, p, now)
}

// UnrecordedDeletion is the alert of a deletion that could not be stored. It does not look up whether the deletion
// was allowed. The case has the rows of the flow logs, as far as they can be read; whole: all could be read.
// namesNone says that the record names flow logs, and the snapshot has none of them.
func UnrecordedDeletion(f detection.Finding, c *incident.Case, whole bool) (a alert.Alert, namesNone bool) {
	namesNone = whole && len(f.Deleted) > 0
	incidents := make([]incident.Incident, 0, len(f.Deleted))
	for _, id := range f.Deleted {
		row, known := c.Row(id)
		namesNone = namesNone && !known
		incidents = append(incidents, incident.New(c.Scope, id, row, known, c.Now))
	}
	e := newEvent(c.Scope, f, c.Policy, c.Now)
	facts := ActorFacts(c.Policy, c.Scope.Account, e.Actor)
	if whole {
		facts = DeletionFacts(c.Policy, c, e.Actor, FlowLogs(incidents))
	}
	e.Level = e.Level.RaisedBy(facts)
	return deletionAlert(e, incidents, facts, c.Now), namesNone
}
