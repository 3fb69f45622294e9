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
	c, err := tx.Case(tx.scope, incident.Selection{IDs: ids}, tx.now)
	if err != nil {
		return err
	}
	attempt := notify.NewAttempt(f, c)
	recent, err := repeat.RecordCall(tx, f, len(ids), tx.now)
	if err != nil {
		return err
	}
	facts := notify.DeletionFacts(tx.policy, c, incident.BoundActor(f.Actor()), attempt.Known)
	a := attempt.Alert(f, facts, tx.now)
	a.Recent = recent
	call := repeat.CallOf(repeat.Attempt, f, a, len(ids), len(attempt.Known) > 0)
	if len(attempt.Failed) > 0 {
		call.Example.FlowLogID = attempt.Failed[0].FlowLogID
	}
	_, err = repeat.AlertOrHold(tx, a, call, tx.now)
	return err
}
