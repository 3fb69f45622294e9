package alert

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

// maxCalls limits how many different calls a text names.
const maxCalls = 5

// Before says which calls the same principal made in the hour before.
func (a Words) Before() string {
	var did []string
	worst := slices.Clone(a.Recent)
	slices.SortStableFunc(worst, func(x, y RecentCalls) int { return cmp.Compare(harmRank(x.EventName), harmRank(y.EventName)) })
	for _, d := range worst[:min(len(worst), maxCalls)] {
		s := d.EventName + " " + Times(d.Calls)
		switch {
		case d.Refused == d.Calls:
			s += ", refused"
		case d.Refused > 0:
			s += fmt.Sprintf(", refused %s", Times(d.Refused))
		}
		if d.FlowLogs > 0 {
			s += fmt.Sprintf(" (%s)", Plural(d.FlowLogs, "flow log"))
		}
		did = append(did, s)
	}
	more := 0
	for _, d := range worst[min(len(worst), maxCalls):] {
		more += d.Calls
	}
	if more > 0 {
		did = append(did, "and "+Plural(more, "other call"))
	}
	if len(did) == 0 {
		return ""
	}
	return "in the hour before, the same principal called " + strings.Join(did, "; ")
}

// harmRank orders calls, the worst first: calls that delete, those that stop or remove
// something, other changes, and CreateFlowLogs last.
func harmRank(event string) int {
	for n, prefix := range []string{"DeleteFlowLogs", "Delete", "Stop", "Disable", "Purge", "Schedule", "Remove", "Untag", "Detach"} {
		if strings.HasPrefix(event, prefix) {
			return n
		}
	}
	if event == "CreateFlowLogs" {
		return 100
	}
	return 50
}
