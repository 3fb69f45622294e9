package notify

import (
	"strings"

	"flowkeeper/alert"
	"flowkeeper/internal/detection"
	"flowkeeper/inventory"
	"flowkeeper/remediate/incident"
)

// DecoyMade is the alert of a flow log that, as a record says, was created in the place of a lost one, and that
// does not do the same. due is false if it is no such flow log, if a rule excuses its maker (isExpected), or if the
// snapshot does not have it yet: then the alert about the incident reports it.
func DecoyMade(f detection.Finding, c *incident.Case, id string) (a alert.Alert, due bool) {
	actor := f.Actor()
	row, known := c.Row(id)
	ours := row.Protected || row.Excluded
	if !known || ours || isExpected(c.Policy, c.Scope.Account, &actor) {
		return a, false
	}
	a = FindingAlert(f, alert.Tamper, c.Now, row.ID)
	for _, i := range c.Lost(row.ResourceID) {
		if incident.IsDecoyOf(row.Scope, i.Frozen, row.FlowLog) {
			x := FlowLog(row.Scope, i.FlowLogID, i.RootID, i.Frozen)
			x.State = string(i.State)
			x.DifferencesFound = inventory.Differences(row.Scope, i.Frozen, row.Settings)
			a.FlowLogs = append(a.FlowLogs, x)
		}
	}
	if len(a.FlowLogs) == 0 {
		return a, false
	}
	a.Level, a.RaisedBy, a.Target = alert.Highest(a.Level, alert.High), []string{alert.IsADecoy}, row.ID
	a.Cause = "CreateFlowLogs of " + row.ID + ", a decoy in the place of " + alert.Plural(len(a.FlowLogs), "flow log") + ": it differs in " + strings.Join(a.FlowLogs[0].DifferencesFound, ", ")
	a.Advice = "delete it if nobody you trust made it: a restore can't have its place before"
	return a, true
}
