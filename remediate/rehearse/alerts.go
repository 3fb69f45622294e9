package rehearse

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"flowkeeper/alert"
	"flowkeeper/inventory"
	"flowkeeper/remediate/delivery"
	"flowkeeper/remediate/notify"
)

// refusals are the alerts about restores that AWS would refuse, or (level informational)
// would allow again: one alert for each reason and advice.
func refusals(s inventory.Scope, about map[delivery.Target]Rehearsal, affected map[delivery.Target][]inventory.Row, level alert.Level, now time.Time) (out []alert.Alert) {
	type why struct{ reason, advice string }
	rows, words := map[why][]inventory.Row{}, map[why]string{}
	for _, t := range slices.SortedFunc(maps.Keys(about), delivery.Target.Compare) {
		w := why{string(about[t].Reason), about[t].Advice}
		rows[w] = append(rows[w], affected[t]...)
		words[w] = cmp.Or(words[w], about[t].Message)
	}
	for _, w := range slices.SortedFunc(maps.Keys(rows), func(a, b why) int {
		return cmp.Or(strings.Compare(a.reason, b.reason), strings.Compare(a.advice, b.advice))
	}) {
		if len(rows[w]) == 0 {
			continue
		}
		a := notify.ScopeAlert(s, alert.Pipeline, level, rows[w], now)
		a.ID, a.Part = alert.ID(a.ID, w.reason, w.advice), alert.PartRehearsal
		for n := range a.FlowLogs {
			a.FlowLogs[n].Reason, a.FlowLogs[n].ErrorMessage = w.reason, ""
		}
		if level == alert.Informational {
			a.Cause, a.RouteLevel = "a rehearsal shows that AWS would allow to restore them again", alert.High
		} else {
			a.Cause = "a rehearsal shows that AWS would refuse to restore them: " + words[w]
			a.Advice = w.advice
		}
		out = append(out, a)
	}
	return out
}

// silence is the alert that no rehearsal has come back since a time.
func silence(s inventory.Scope, since, now time.Time) alert.Alert {
	text := fmt.Sprintf("no rehearsal has come back through the queue since %s: events of deletions may not arrive either, and only the refresh finds deletions", since.UTC().Format("2006-01-02 15:04 UTC"))
	a := notify.OutageAlert(s, alert.PartEvents, alert.High, text, now)
	a.Advice = "see that the trail logs, that the EventBridge rule is enabled and sends to the queue, and that nobody else takes its messages"
	return a
}
