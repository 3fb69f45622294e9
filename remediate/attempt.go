package remediate

import (
	"slices"
	"strings"
	"time"

	"flowkeeper/alert"
	"flowkeeper/internal/cloudtrail"
	"flowkeeper/internal/detection"
	"flowkeeper/inventory"
	"flowkeeper/remediate/notify"
	"flowkeeper/remediate/repeat"
)

// recordAttempt alerts of a deletion that AWS refused, or that was a dry run. Nothing
// is gone, so there is no incident.
func (r *Remediator) recordAttempt(tx Tx, s inventory.Scope, f detection.Finding, now time.Time) error {
	e := notify.NewEvent(s, f, now)
	ids := make([]string, 0, len(f.Failed))
	for _, x := range f.Failed {
		ids = append(ids, x.FlowLogID)
	}
	known, err := tx.Names(s, ids)
	if err != nil {
		return err
	}
	named := slices.Clone(f.Failed)
	slices.SortStableFunc(named, func(x, y cloudtrail.Refusal) int { // those that Flowkeeper knows first
		_, a := known[x.FlowLogID]
		_, b := known[y.FlowLogID]
		return btoi(b) - btoi(a)
	})
	e.Failed, e.FailedOmitted = notify.Refused(named)
	about := make([]alert.FlowLog, 0, len(known))
	for n, x := range named {
		row, ok := known[x.FlowLogID]
		if !ok {
			break
		}
		full := alert.FlowLog{FlowLogID: row.ID, ResourceID: row.ResourceID}
		if n < len(e.Failed) {
			l := &e.Failed[n]
			l.ResourceID, l.Destination, l.LogFormat, l.Tags = row.ResourceID, row.Destination(s), row.LogFormat, row.Tags
		}
		about = append(about, full)
	}
	recent, err := repeat.RecordCall(tx, f, len(ids), now)
	if err != nil {
		return err
	}
	facts, err := r.facts(tx, s, e.Actor, about)
	if err != nil {
		return err
	}
	slices.Sort(ids)
	a := notify.FindingAlert(f, alert.Attempt, now, strings.Join(ids, ",")) // a forged twin of the event ID swallows nothing (I2)
	a.Level, a.RaisedBy = notify.Raised(a.Level, facts)
	a.FailedFlowLogs, a.FailedOmitted, a.Recent = e.Failed, e.FailedOmitted, recent
	c := repeat.CallOf(repeat.Attempt, f, a, len(ids), len(known) > 0)
	if len(named) > 0 {
		c.Example.FlowLogID = named[0].FlowLogID
	}
	_, err = repeat.AlertOrHold(tx, a, c, now)
	return err
}

func btoi(b bool) int {
	if b {
		return 1
	}
	return 0
}
