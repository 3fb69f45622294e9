package remediate

import (
	"flowkeeper/internal/detection"
	"flowkeeper/remediate/incident"
	"flowkeeper/remediate/notify"
	"flowkeeper/remediate/repeat"
)

// recordAttempt alerts of a deletion that AWS refused, or that was a dry run. Nothing
// is gone, so there is no incident.
func recordAttempt(tx scopeTx, f detection.Finding) error {
	ids := make([]string, 0, len(f.Failed))
	for _, x := range f.Failed {
		ids = append(ids, x.FlowLogID)
	}
	known, err := tx.Names(tx.scope, ids)
	if err != nil {
		return err
	}
	attempt := notify.NewAttempt(tx.scope, f, known)
	recent, err := repeat.RecordCall(tx, f, len(ids), tx.now)
	if err != nil {
		return err
	}
	facts, err := tx.facts(incident.BoundActor(f.Actor()), attempt.Known)
	if err != nil {
		return err
	}
	a := attempt.Alert(f, facts, tx.now)
	a.Recent = recent
	c := repeat.CallOf(repeat.Attempt, f, a, len(ids), len(known) > 0)
	if len(attempt.Failed) > 0 {
		c.Example.FlowLogID = attempt.Failed[0].FlowLogID
	}
	_, err = repeat.AlertOrHold(tx, a, c, tx.now)
	return err
}
