package remediate

import (
	"fmt"
	"strings"

	"flowkeeper/alert"
	"flowkeeper/internal/detection"
	"flowkeeper/inventory"
	"flowkeeper/remediate/incident"
	"flowkeeper/remediate/notify"
	"flowkeeper/remediate/repeat"
)

// alertDecoyMade adds an alert of a flow log that was created in the place of a protected one
// and does not do the same, with who created it. There is none if a rule gives that principal
// time to make a replacement. If the new flow log could not be described in time, the alert
// about the incident reports it.
func alertDecoyMade(tx scopeTx, f detection.Finding, c *incident.Case, id string) error {
	actor := f.Actor()
	row, ok := c.Row(id)
	ours := row.Protected || row.Excluded
	allowed := tx.policy.RuleFor(tx.scope.Account, actor.Principal()).Action != incident.Restore
	if !ok || ours || allowed {
		return nil
	}
	a := notify.FindingAlert(f, alert.Tamper, tx.now, row.ID)
	for _, i := range c.Lost(row.ResourceID) {
		if incident.IsDecoyOf(row.Scope, i.Frozen, row.FlowLog) {
			x := notify.FlowLog(row.Scope, i.FlowLogID, i.RootID, i.Frozen)
			x.State = string(i.State)
			x.DifferencesFound = inventory.Differences(row.Scope, i.Frozen, row.Settings)
			a.FlowLogs = append(a.FlowLogs, x)
		}
	}
	if len(a.FlowLogs) == 0 {
		return nil
	}
	a.Level, a.RaisedBy, a.Target = alert.Highest(a.Level, alert.High), []string{alert.IsADecoy}, row.ID
	a.Cause = fmt.Sprintf("CreateFlowLogs of %s, a decoy in the place of %s: it differs in %s", row.ID, alert.Plural(len(a.FlowLogs), "flow log"), strings.Join(a.FlowLogs[0].DifferencesFound, ", "))
	a.Advice = "delete it if nobody you trust made it: a restore can't have its place before"
	call := repeat.CallOf(repeat.Tampering, f, a, 0, true)
	call.What, call.Example.Target = f.Record.EventName+" "+row.ID, row.ID
	atOnce, err := repeat.AlertOrHold(tx, a, call, tx.now)
	if atOnce {
		c.Rows().DecoyAlerted(row.ID)
	}
	return err
}
