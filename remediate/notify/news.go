package notify

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"flowkeeper/alert"
	"flowkeeper/inventory"
	"flowkeeper/remediate/incident"
)

// News are rows of a scope's snapshot about which an alert is due.
type News struct {
	Rows      []inventory.Row // all of them, as they are after the alerts
	Elsewhere []inventory.Row // they deliver to a destination that none had before
	Held      []inventory.Row // they are held because of their destination
	Failing   []inventory.Row // their delivery fails
	Working   []inventory.Row // their delivery works again
	Decoys    []inventory.Row // they are not protected, because they count as decoys
}

// NewsOf sorts rows that are [inventory.Row.OwesNews], or whose [incident.DecoyNoticeDue].
func NewsOf(rows []inventory.Row, now time.Time) (n News) {
	for _, row := range rows {
		switch {
		case row.NewDestination && row.Held:
			n.Held = append(n.Held, row)
		case row.NewDestination:
			n.Elsewhere = append(n.Elsewhere, row)
		}
		switch {
		case !row.Protected || row.Failing() == row.FailingAlerted:
		case row.Failing():
			n.Failing = append(n.Failing, row)
		default:
			n.Working = append(n.Working, row)
		}
		if incident.DecoyNoticeDue(row, now) {
			n.Decoys = append(n.Decoys, row)
			row.DecoyNotice = nil
		}
		row.NewDestination = false
		if row.Protected {
			row.FailingAlerted = row.Failing()
		}
		n.Rows = append(n.Rows, row)
	}
	return n
}

// Alerts are one alert for each kind of news. over says that no delivery fails any more: then the
// alert about deliveries that work again ends the outage of [alert.PartDelivery].
func (n News) Alerts(s inventory.Scope, over bool, now time.Time) (out []alert.Alert) {
	for _, x := range []struct {
		rows  []inventory.Row
		about func(inventory.Scope, []inventory.Row, time.Time) alert.Alert
	}{{n.Held, heldDestinations}, {n.Elsewhere, newDestinations}, {n.Decoys, decoys}, {n.Failing, deliveryFails}, {n.Working, deliveryWorks}} {
		if len(x.rows) > 0 {
			out = append(out, x.about(s, x.rows, now))
		}
	}
	if over && len(n.Working) > 0 {
		out[len(out)-1].DedupKey = OutageKey(s, alert.PartDelivery)
	}
	return out
}

// heldDestinations is the alert that flow logs are not protected, because nobody has approved
// their destinations.
func heldDestinations(s inventory.Scope, rows []inventory.Row, now time.Time) alert.Alert {
	const held = string(incident.Held)
	a := ScopeAlert(s, alert.Destination, alert.High, rows, now)
	a.ID, a.DedupKey = alert.ID(a.ID, held), alert.DedupKey(s.String(), held+"-"+strconv.FormatInt(now.UnixMilli(), 10))
	a.Cause = firstAndMore(destinationsOf(s, rows))
	a.Advice = "it is held: not protected, and not restored if it is deleted. If that destination is not yours, delete the flow log (aws ec2 delete-flow-logs): it sends data about your traffic there. If it is yours, run " + approveCommand(s, rows)
	return a
}

// mostApprovals limits how many destinations the command in an alert names.
const mostApprovals = 10

// approveCommand says how to approve the destinations of flow logs.
func approveCommand(s inventory.Scope, rows []inventory.Row) string {
	var arns []string
	for _, destination := range destinationsOf(s, rows) {
		if arn := inventory.ApprovalOf(destination); arn != "" && !slices.Contains(arns, arn) {
			arns = append(arns, arn)
		}
	}
	if len(arns) == 0 || len(arns) > mostApprovals {
		return "`flowkeeper inventory approve DESTINATION`; `flowkeeper inventory list --held` lists the destinations"
	}
	return "`flowkeeper inventory approve " + strings.Join(arns, " ") + "` to protect it"
}

// destinationsOf are the destinations of flow logs, sorted and each once.
func destinationsOf(s inventory.Scope, rows []inventory.Row) []string {
	out := make([]string, len(rows))
	for n, row := range rows {
		out[n] = row.Destination(s)
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// newDestinations is the alert that flow logs deliver to destinations that none had before.
func newDestinations(s inventory.Scope, rows []inventory.Row, now time.Time) alert.Alert {
	a := ScopeAlert(s, alert.Destination, alert.High, rows, now)
	a.Cause = firstAndMore(destinationsOf(s, rows))
	a.Advice = "if that destination is not yours, delete the flow log (aws ec2 delete-flow-logs): it sends data about your traffic there. The setting inventory.destinations decides whether it is protected"
	return a
}

// decoys is the alert that flow logs are not protected, because they stand in the place of others,
// where no other alert has said so.
func decoys(s inventory.Scope, rows []inventory.Row, now time.Time) alert.Alert {
	a := ScopeAlert(s, alert.Tamper, alert.High, rows, now) // sorts rows
	a.ID, a.Source = alert.ID(a.ID, rows[0].ID), incident.ByDrift
	for n, row := range rows {
		f := &a.FlowLogs[n]
		f.DifferencesFound, f.Advice = row.DecoyNotice.Differences, "it stands in the place of "+placeOf(row)
		if row.State == inventory.Gone {
			f.Advice += ", and is gone by now"
		}
	}
	first, lost := rows[0], rows[0].DecoyNotice.Of
	a.Target = first.ID
	a.Cause = "Not protected: " + first.ID + " stands in the place of " + placeOf(first)
	delete, release := "delete it (aws ec2 delete-flow-logs --flow-log-ids "+first.ID+")", "`flowkeeper inventory release "+cmp.Or(lost, "ID")+"`"
	if len(rows) > 1 {
		a.Target = ""
		a.Cause = fmt.Sprintf("Not protected: %d flow logs stand in the place of others, %s in that of %s", len(rows), first.ID, placeOf(first))
		delete, release = "delete each (aws ec2 delete-flow-logs --flow-log-ids ID)", "`flowkeeper inventory release ID` with the ID of the other one"
	}
	a.Advice = "if nobody you trust made it, " + delete + ": AWS may refuse to restore the other one while it is there. " +
		"If it is wanted instead of the other one, and that is still lost, run " + release + ": then it is protected. If both are wanted, do nothing: both are protected once AWS shows them together"
	return a
}

// placeOf names the flow log in whose place a row stands.
func placeOf(row inventory.Row) string { return cmp.Or(row.DecoyNotice.Of, "another flow log") }

// deliveryFails is the alert that AWS can't deliver what flow logs record.
func deliveryFails(s inventory.Scope, rows []inventory.Row, now time.Time) alert.Alert {
	a := ScopeAlert(s, alert.Pipeline, alert.High, rows, now)
	a.DedupKey, a.Part = OutageKey(s, alert.PartDelivery), alert.PartDelivery
	a.Cause = "AWS can't deliver what these flow logs record"
	a.Advice = "check the policy and the key of the destination, and the delivery role: somebody may have removed a permission"
	return a
}

// deliveryWorks is the alert that AWS delivers again what flow logs record. The delivery of
// others may still fail.
func deliveryWorks(s inventory.Scope, rows []inventory.Row, now time.Time) alert.Alert {
	a := ScopeAlert(s, alert.Pipeline, alert.Informational, rows, now)
	a.Cause, a.Part = "AWS delivers again what these flow logs record", alert.PartDelivery
	a.RouteLevel = alert.High // as the alert about the failure
	return a
}

// firstAndMore is the first of the things, which are not empty, and how many more there are.
func firstAndMore(things []string) string {
	if len(things) == 1 {
		return things[0]
	}
	return fmt.Sprintf("%s and %d more", things[0], len(things)-1)
}
