package remediate

import (
	"time"

	"flowkeeper/remediate/incident"

	"flowkeeper/alert"
	"flowkeeper/internal/detection"
	"flowkeeper/remediate/notify"
	"flowkeeper/remediate/repeat"
)

// deletionOfUnknown is such a deletion as a call that can be repeated. A record that does not
// say which flow logs it deleted is no repetition of one that names unknown ones.
func deletionOfUnknown(f detection.Finding, a alert.Alert) repeat.Call {
	c := repeat.CallOf(repeat.UnknownDeletion, f, a, len(f.Deleted), false)
	if len(f.Deleted) == 0 {
		c.What = "not stated"
	} else {
		c.Example.FlowLogID = f.Deleted[0]
	}
	return c
}

// notifyKnown alerts of a deletion that was held back as one of a flow log that nobody ever
// saw, once the snapshot knows that after all.
func (r *Remediator) notifyKnown(tx Tx, e incident.Event, found bool, i incident.Incident, now time.Time) error {
	e, changed, due := notify.KnownNow(e, found, i)
	if !changed {
		return nil
	}
	if !due {
		return tx.PutEvent(e)
	}
	incidents, err := tx.EventIncidents(e.Scope, e.ID, false)
	if err != nil {
		return err
	}
	facts, err := r.facts(tx, e.Scope, e.Actor, notify.FlowLogs(incidents))
	if err != nil {
		return err
	}
	e, a := notify.KnownAlert(e, incidents, facts, now)
	if err := tx.PutEvent(e); err != nil {
		return err
	}
	return add(tx, a)
}
