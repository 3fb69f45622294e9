package alert

import (
	"encoding/json"
	"fmt"
	"math"
	"slices"
	"strings"
)

const (
	// maxStored is the most that the state file keeps of one alert, but for what
	// the flow logs' IDs need. It is below what every sink takes.
	maxStored = 240 << 10
	// maxCompact is the most of the form that a receiver gets which has refused the
	// whole one: room for a thousand IDs.
	maxCompact = 60 << 10
	// noteRoom is what it takes to say what was left out.
	noteRoom = 700
)

// Stored is the alert as the state file keeps it: of bounded size, with all of its
// flow logs' IDs. What is left out of it can still be found in the snapshot and in
// the incidents.
func (a Alert) Stored() Alert { return a.shrunk(maxStored, true) }

// Within is the alert in at most limit bytes of JSON, with as many of its flow logs as
// that holds.
func (a Alert) Within(limit int) Alert { return a.shrunk(limit, false) }

// Compact is what a receiver needs that takes no more: which flow logs, whose, how they
// stand, and where the rest is. Its JSON has at most 60 KB.
func (a Alert) Compact() Alert {
	a.Text = a.Title + "\n" + a.Command()
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

// shrunk is the alert in at most limit bytes of JSON. What is left out, as far as
// that is needed, and each from the end of the list: the flow logs' formats, their
// tags, what else is said of them, and last of all, unless keepIDs, the flow logs
// themselves. What else is in an alert is bounded by Write. The alert then says of
// how many.
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
	a.Text, _, _ = strings.Cut(a.Text, leftOut) // by an earlier cut
	a.Text += a.leftOut()
	return a
}

// shortened leaves out the formats of the flow logs, then their tags, then what further
// forms of them leave out, each from the end of the list, until over bytes of JSON are
// saved. It counts the flow logs concerned, and returns how much is over still.
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
	a.DetailsOmitted = min(a.DetailsOmitted, len(all)+a.Omitted) // some were short already
	return a, over
}

// short is which flow log it is, and how it stands.
func (f FlowLog) short() FlowLog {
	return FlowLog{FlowLogID: f.FlowLogID, Account: f.Account, Region: f.Region, ResourceID: f.ResourceID, State: f.State, Reason: f.Reason,
		NewFlowLogID: f.NewFlowLogID, ErrorCode: f.ErrorCode, NextAttemptAt: f.NextAttemptAt, Foreseen: f.Foreseen}
}

// bare is which flow log it is.
func (f FlowLog) bare() FlowLog { return FlowLog{FlowLogID: f.FlowLogID} }

// size is how many bytes of JSON a value takes; its fields are plain, so that it can't
// fail.
func size(v any) int {
	data, _ := json.Marshal(v)
	return len(data)
}

// leftOut begins what an alert says of what is missing from its data.
const leftOut = "\nLeft out of this message's data: "

// leftOut says what is missing from the alert's data; nothing where all is there.
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
	return leftOut + strings.Join(parts, ", ") + ". `flowkeeper incidents list` and `flowkeeper inventory list` have all."
}
