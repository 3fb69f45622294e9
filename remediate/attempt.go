package remediate

import (
	"slices"
	"strings"

	"flowkeeper/alert"
	"flowkeeper/internal/cloudtrail"
	"flowkeeper/internal/detection"
	"flowkeeper/remediate/notify"
	"flowkeeper/remediate/repeat"
)

// recordAttempt alerts of a deletion that AWS refused, or that was a dry run. Nothing
// is gone, so there is no incident.
func recordAttempt(tx scopeTx, f detection.Finding) error {
	e := notify.NewEvent(tx.scope, f, tx.policy, tx.now)
	ids := make([]string, 0, len(f.Failed))
	for _, x := range f.Failed {
		ids = append(ids, x.FlowLogID)
	}
	known, err := tx.Names(tx.scope, ids)
	if err != nil {
		return err
	}
	var named, unknown []cloudtrail.Refusal // those that Flowkeeper knows first
	var about []alert.FlowLog
	for _, x := range f.Failed {
		if row, ok := known[x.FlowLogID]; ok {
			named, about = append(named, x), append(about, alert.FlowLog{FlowLogID: row.ID, ResourceID: row.ResourceID})
		} else {
			unknown = append(unknown, x)
		}
	}
	named = append(named, unknown...)
	e.Failed, e.FailedOmitted = notify.Refused(named)
	for n, l := range e.Failed {
		if row, ok := known[l.FlowLogID]; ok {
			l.ResourceID, l.Destination, l.LogFormat, l.Tags = row.ResourceID, row.Destination(tx.scope), row.LogFormat, row.Tags
			e.Failed[n] = l
		}
	}
	recent, err := repeat.RecordCall(tx, f, len(ids), tx.now)
	if err != nil {
		return err
	}
	facts, err := tx.facts(e.Actor, about)
	if err != nil {
		return err
	}
	slices.Sort(ids)
	a := notify.FindingAlert(f, alert.Attempt, tx.now, strings.Join(ids, ",")) // a forged twin of the event ID swallows nothing (I2)
	a.Level, a.RaisedBy = a.Level.RaisedBy(facts), facts
	a.FailedFlowLogs, a.FailedOmitted, a.Recent = e.Failed, e.FailedOmitted, recent
	c := repeat.CallOf(repeat.Attempt, f, a, len(ids), len(known) > 0)
	if len(named) > 0 {
		c.Example.FlowLogID = named[0].FlowLogID
	}
	_, err = repeat.AlertOrHold(tx, a, c, tx.now)
	return err
}
