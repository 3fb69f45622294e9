package remediate

import (
	"context"
	"time"

	"flowkeeper/alert"
	"flowkeeper/internal/detection"
	"flowkeeper/remediate/notify"
	"flowkeeper/remediate/repeat"
)

// namesUnknown reports whether a deletion names no flow log that the snapshot has,
// not even one that was imported.
func namesUnknown(tx Tx, incidents []Incident) (bool, error) {
	ids := make([]string, 0, len(incidents))
	for _, i := range incidents {
		if i.Known {
			return false, nil
		}
		ids = append(ids, i.FlowLogID)
	}
	if len(ids) == 0 {
		return true, nil
	}
	there, err := tx.Names(incidents[0].Scope, ids)
	return len(there) == 0, err
}

// unknownNow is namesUnknown while nothing can be written.
func (r *Remediator) unknownNow(ctx context.Context, incidents []Incident) (unknown bool, err error) {
	err = r.Store.View(ctx, func(tx Tx) (err error) { unknown, err = namesUnknown(tx, incidents); return err })
	return unknown, err
}

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
func (r *Remediator) notifyKnown(tx Tx, e Event, found bool, i Incident, now time.Time) error {
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
