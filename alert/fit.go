package alert

import (
	"encoding/json"
	"fmt"
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
	a = a.shortened(0, 0, 0, len(a.FlowLogs)+len(a.FailedFlowLogs))
	a.Text += a.leftOut()
	return a.Within(maxCompact)
}

// shrunk is the alert in at most limit bytes of JSON. What is left out, as far as
// that is needed, and each from the end of the list: the flow logs' formats, their
// tags, what else is said of them, and last of all, unless keepIDs, the flow logs
// themselves. What else is in an alert is bounded by Write. The alert then says of
// how many.
func (a Alert) shrunk(limit int, keepIDs bool) Alert {
	n := len(a.FlowLogs) + len(a.FailedFlowLogs)
	over := size(a) - limit
	if over <= 0 || n == 0 {
		return a
	}
	over += noteRoom
	weights := make([]weight, 0, n)
	for _, f := range a.FlowLogs {
		weights = append(weights, weightOf(f))
	}
	for _, f := range a.FailedFlowLogs {
		weights = append(weights, weightOf(f))
	}
	// keep of the first so many flow logs what would be left out; over is what is
	// too much still.
	keep := func(saves func(weight) int) int {
		k := n
		for ; k > 0 && over > 0; k-- {
			over -= saves(weights[k-1])
		}
		return k
	}
	formats := keep(func(w weight) int { return w.format })
	tags := keep(func(w weight) int { return w.tags })
	details := keep(func(w weight) int { return w.whole - w.format - w.tags - w.short })
	bare := keep(func(w weight) int { return w.short - w.bare })
	ids := n
	if !keepIDs {
		ids = keep(func(w weight) int { return w.bare })
	}
	a = a.shortened(formats, tags, details, bare)
	if ids < n {
		gone := n - ids
		a.Omitted += gone
		failed := max(0, len(a.FailedFlowLogs)-gone)
		a.FlowLogs = a.FlowLogs[:len(a.FlowLogs)-(gone-(len(a.FailedFlowLogs)-failed))]
		a.FailedFlowLogs = a.FailedFlowLogs[:failed]
	}
	a.Text, _, _ = strings.Cut(a.Text, leftOut) // by an earlier cut
	a.Text += a.leftOut()
	return a
}

// weight is how many bytes of JSON a flow log takes: whole, of that its format and
// its tags, and in its two shorter forms.
type weight struct{ whole, format, tags, short, bare int }

func weightOf(f FlowLog) weight {
	w := weight{whole: size(f) + 1, short: size(f.short()) + 1, bare: size(FlowLog{FlowLogID: f.FlowLogID}) + 1}
	if f.LogFormat != "" {
		w.format = size(f.LogFormat) + len(`"log_format":,`)
	}
	if len(f.Tags) > 0 {
		w.tags = size(f.Tags) + len(`"tags":,`)
	}
	return w
}

// size is how many bytes of JSON a value takes; its fields are plain, so that it can't
// fail.
func size(v any) int {
	data, _ := json.Marshal(v)
	return len(data)
}

// short is which flow log it is, and how it stands.
func (f FlowLog) short() FlowLog {
	return FlowLog{FlowLogID: f.FlowLogID, Account: f.Account, Region: f.Region, ResourceID: f.ResourceID, State: f.State, Reason: f.Reason,
		NewFlowLogID: f.NewFlowLogID, ErrorCode: f.ErrorCode, NextAttemptAt: f.NextAttemptAt, Foreseen: f.Foreseen}
}

// shortened keeps the formats of the first so many flow logs, their tags, their
// details, and more than the IDs; and counts the others. Twice is like once.
func (a Alert) shortened(formats, tags, details, bare int) Alert {
	a.FlowLogs, a.FailedFlowLogs = slices.Clone(a.FlowLogs), slices.Clone(a.FailedFlowLogs)
	n := 0
	for _, list := range [][]FlowLog{a.FlowLogs, a.FailedFlowLogs} {
		for k := range list {
			f := &list[k]
			if n >= formats && f.LogFormat != "" {
				f.LogFormat = ""
				a.FormatsOmitted++
			}
			if n >= tags && f.Tags != nil {
				f.Tags = nil
				a.TagsOmitted++
			}
			before := *f
			if n >= details {
				*f = f.short()
			}
			if n >= bare {
				*f = FlowLog{FlowLogID: f.FlowLogID}
			}
			if size(before) != size(*f) {
				a.DetailsOmitted++
			}
			n++
		}
	}
	a.DetailsOmitted = min(a.DetailsOmitted, n+a.Omitted) // some were short already
	return a
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
