package alert

import (
	"encoding/json"
	"fmt"
	"math"
	"slices"
	"strings"
)

const (
	// maxStored limits what the state file keeps of one alert, in bytes, not counting the
	// IDs of its flow logs. It is below the limit of every sink.
	maxStored = 240 << 10
	// maxCompact limits the alert that a receiver gets after it has refused the whole one,
	// in bytes. It has room for a thousand IDs.
	maxCompact = 60 << 10
	// noteRoom is the room for the note about what was left out, in bytes.
	noteRoom = 700
)

// Stored is the alert as the state file keeps it: of limited size, with the IDs of all of
// its flow logs. The snapshot and the incidents still have the details that are left out.
func (a Alert) Stored() Alert { return a.shrunk(maxStored, true) }

// Within is the alert in at most limit bytes of JSON, with as many of its flow logs as fit.
func (a Alert) Within(limit int) Alert { return a.shrunk(limit, false) }

// Compact is the alert for a receiver that does not take the whole one: which flow logs,
// who did it, their states, and which command shows the rest. Its JSON has at most 60 KB.
func (a Alert) Compact() Alert {
	a.Text = a.Title + "\n" + a.Words().Command()
	a.Cause, a.Advice = Clean(a.Cause, MaxTitle), Clean(a.Advice, MaxTitle)
	if a.Actor != nil {
		who := *a.Actor
		who.UserAgent, who.Via = "", ""
		a.Actor = &who
	}
	a, _ = a.shortened(math.MaxInt, FlowLog.short)
	a.Text += a.leftOut()
	return a.Within(maxCompact)
}

// shrunk is the alert in at most limit bytes of JSON. As far as needed, and from the end of
// the list, it leaves out the log formats, then the tags, then the other details, and at
// last, unless keepIDs, the flow logs themselves. The alert says how many flow logs lack what.
// Write limits the size of everything else in an alert.
func (a Alert) shrunk(limit int, keepIDs bool) Alert {
	over := size(a) - limit
	if over <= 0 || len(a.FlowLogs)+len(a.FailedFlowLogs) == 0 {
		return a
	}
	a, over = a.shortened(over+noteRoom, FlowLog.short, FlowLog.bare)
	for over > 0 && !keepIDs {
		last := &a.FailedFlowLogs
		if len(*last) == 0 {
			last = &a.FlowLogs
		}
		n := len(*last) - 1
		if n < 0 {
			break
		}
		over -= size((*last)[n]) + len(",")
		*last = (*last)[:n]
		a.Omitted++
	}
	a.Text, _, _ = strings.Cut(a.Text, leftOutNote) // the note of an earlier cut
	a.Text += a.leftOut()
	return a
}

// shortened leaves out the formats of the flow logs, then their tags, and then, one form after
// the other, replaces the flow logs by shorter forms: always from the end of the list, until over
// bytes of JSON are saved. It counts the flow logs that it has shortened, and returns how many
// bytes are still too many.
func (a Alert) shortened(over int, forms ...func(FlowLog) FlowLog) (Alert, int) {
	a.FlowLogs, a.FailedFlowLogs = slices.Clone(a.FlowLogs), slices.Clone(a.FailedFlowLogs)
	var all []*FlowLog
	for _, list := range [][]FlowLog{a.FlowLogs, a.FailedFlowLogs} {
		for n := range list {
			all = append(all, &list[n])
		}
	}
	leaveOut := func(shorter func(FlowLog) FlowLog, count func(n int)) {
		for n := len(all) - 1; n >= 0 && over > 0; n-- {
			after := shorter(*all[n])
			if saved := size(*all[n]) - size(after); saved > 0 {
				over -= saved
				count(n)
			}
			*all[n] = after
		}
	}
	leaveOut(func(f FlowLog) FlowLog { f.LogFormat = ""; return f }, func(int) { a.FormatsOmitted++ })
	leaveOut(func(f FlowLog) FlowLog { f.Tags = nil; return f }, func(int) { a.TagsOmitted++ })
	counted := make([]bool, len(all))
	for _, form := range forms {
		leaveOut(form, func(n int) {
			if !counted[n] {
				a.DetailsOmitted++
			}
			counted[n] = true
		})
	}
	a.DetailsOmitted = min(a.DetailsOmitted, len(all)+a.Omitted) // an earlier cut has counted some already
	return a, over
}

// short is the flow log with little more than its ID and its state.
func (f FlowLog) short() FlowLog {
	return FlowLog{FlowLogID: f.FlowLogID, Account: f.Account, Region: f.Region, ResourceID: f.ResourceID, State: f.State, Reason: f.Reason,
		NewFlowLogID: f.NewFlowLogID, ErrorCode: f.ErrorCode, NextAttemptAt: f.NextAttemptAt, Foreseen: f.Foreseen}
}

// bare is the flow log with its ID alone.
func (f FlowLog) bare() FlowLog { return FlowLog{FlowLogID: f.FlowLogID} }

// size is the length of a value's JSON in bytes. Alerts and flow logs can always be encoded.
func size(v any) int {
	data, _ := json.Marshal(v)
	return len(data)
}

// leftOutNote begins the note about what is left out of an alert's data.
const leftOutNote = "\nLeft out of this message's data: "

// leftOut is the note about what is left out of the alert's data; empty if nothing is.
func (a Alert) leftOut() string {
	var parts []string
	for _, x := range []struct {
		what string
		n    int
	}{{"the log formats of %s", a.FormatsOmitted}, {"the tags of %s", a.TagsOmitted}, {"the details of %s", a.DetailsOmitted}, {"%s", a.Omitted}} {
		if x.n > 0 {
			parts = append(parts, fmt.Sprintf(x.what, Plural(x.n, "flow log")))
		}
	}
	if len(parts) == 0 {
		return ""
	}
	return leftOutNote + strings.Join(parts, ", ") + ". `flowkeeper incidents list` and `flowkeeper inventory list` show everything."
}
