package notify

import (
	"slices"
	"strings"
	"time"

	"flowkeeper/alert"
	"flowkeeper/internal/cloudtrail"
	"flowkeeper/internal/detection"
	"flowkeeper/remediate/incident"
)

// Attempt is a call to delete flow logs that deleted none: AWS refused it, or it was a dry run.
type Attempt struct {
	Known   []alert.FlowLog // those that the snapshot has: their IDs and resources
	Failed  []alert.FlowLog // as an alert shows them, those that the snapshot has first
	Omitted int             // how many more than Failed there are
}

// NewAttempt is the attempt of a finding. The case has the rows of the flow logs that the finding names, as far as
// the snapshot has them.
func NewAttempt(f detection.Finding, c *incident.Case) (a Attempt) {
	var named, unknown []cloudtrail.Refusal
	for _, x := range f.Failed {
		if row, ok := c.Row(x.FlowLogID); ok {
			named, a.Known = append(named, x), append(a.Known, alert.FlowLog{FlowLogID: row.ID, ResourceID: row.ResourceID})
		} else {
			unknown = append(unknown, x)
		}
	}
	a.Failed, a.Omitted = refusedFlowLogs(append(named, unknown...))
	for n, l := range a.Failed {
		if row, ok := c.Row(l.FlowLogID); ok {
			l.ResourceID, l.Destination, l.LogFormat, l.Tags = row.ResourceID, row.Destination(c.Scope), row.LogFormat, row.Tags
			a.Failed[n] = l
		}
	}
	return a
}

// Alert is the alert of the attempt. raisedBy are the facts that raise its level.
func (a Attempt) Alert(f detection.Finding, raisedBy []string, now time.Time) alert.Alert {
	ids := make([]string, 0, len(f.Failed))
	for _, x := range f.Failed {
		ids = append(ids, x.FlowLogID)
	}
	slices.Sort(ids)
	out := FindingAlert(f, alert.Attempt, now, strings.Join(ids, ",")) // a forged record with the same event ID must not suppress this alert (I2)
	out.Level, out.RaisedBy = out.Level.RaisedBy(raisedBy), raisedBy
	out.FailedFlowLogs, out.FailedOmitted = a.Failed, a.Omitted
	return out
}
