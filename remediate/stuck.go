package remediate

import (
	"time"

	"flowkeeper/alert"
	"flowkeeper/remediate/incident"
)

// stuck notes that people are to hear of an incident that is blocked or held
// back. An event that is not remembered is made anew, to tell it and its end with.
func (r *Remediator) stuck(tx Tx, i Incident, now time.Time) error {
	e, ok, err := tx.Event(i.Scope, i.EventID)
	if err != nil {
		return err
	}
	if !ok {
		e = eventOf(i)
		e.DetectedAt, e.ToldDeletion, e.Level = now, now, alert.High
	}
	if !ok || e.StuckAt.IsZero() {
		e.StuckAt = now.Add(incident.NotifyStuckAfter)
		if e.StuckTold {
			e.StuckAt = now.Add(incident.NotifyStuckAgainAfter)
		}
		return tx.PutEvent(e)
	}
	return nil
}

// mayStayAway reports whether nothing would be created for an incident if a look
// answered: it is released, exempt, or only to be told of. That AWS refuses looks is
// another matter, which the refresh tells.
func (r *Remediator) mayStayAway(tx Tx, i Incident, now time.Time) (bool, error) {
	if i.State != Open && i.State != Blocked {
		return false, nil
	}
	c, err := r.load(tx, i.Scope, incident.Part{IDs: []string{i.FlowLogID}}, now)
	if err != nil {
		return false, err
	}
	return c.DecideAbsent(i).Next == incident.Close, nil
}
