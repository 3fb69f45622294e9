package repeat

import (
	"cmp"
	"slices"
	"time"

	"flowkeeper/alert"
	"flowkeeper/inventory"
	"flowkeeper/remediate/incident"
)

// Class is a class of calls that are repeated. Bursts of one class are counted together.
type Class string

// Classes of calls.
const (
	Attempt         Class = "attempt" // deletions that AWS refused, and dry runs
	Tampering       Class = "tamper"
	UnknownDeletion Class = "unknown" // deletions of flow logs that Flowkeeper never saw
)

// Burst is what one principal repeats. The alert of the first call is sent at once. The calls that
// follow within Window are held, and become one alert when the window is over. A call that is
// graver than all that was alerted has its alert at once: neither a forged record nor a harmless
// call silences it (I2). While calls go on, one window follows the other; a window without calls
// ends the burst.
//
// Other bursts bound how many alerts are sent at once: one for each principal that has a burst for
// each target, one for each account, and one for all accounts. These hold the calls beyond the
// bound. The JSON of a burst is in the state file.
type Burst struct {
	Key   string // names it
	Class Class
	Scope inventory.Scope // the restorer of this scope ends its windows; zero: any restorer does
	Began time.Time       // of its first window
	Since time.Time       // of this window
	DueAt time.Time       // the end of this window
	Mark  int             // severity of the gravest call that was alerted
	// AtOnce counts the alerts that were sent at once in this window, by severity, if the
	// burst is a bound.
	AtOnce    map[int]int `json:",omitempty"`
	Summaries int         // alerts about held calls, so far
	Total     int         // calls that these alerts summed up
	Level     alert.Level // of the gravest alert about what was held
	Held      Held
}

// Held are the calls of a burst of which there is no alert yet.
type Held struct {
	Calls, FlowLogs int
	First, Last     time.Time    // when they were received
	Severity        int          // of the gravest
	Gravest         *alert.Alert // without its lists
	Several         bool         // they are by more than one principal
	Examples        []heldCall   `json:",omitempty"` // the gravest first, of equally grave ones the earliest; different calls rather than equal ones
	Seen            []string     `json:",omitempty"` // alert IDs of the last calls: a record that comes twice counts once
}

type heldCall struct {
	Severity int
	alert.Call
}

// Window is how long repeated calls are held before they become an alert.
const Window = 5 * time.Minute

const (
	mostExamples = 20
	mostSeen     = 100
)

// over reports whether the window has ended, or seems to begin later than now: the clock has
// gone back.
func (b Burst) over(now time.Time) bool { return !now.Before(b.DueAt) || b.Since.After(now) }

// FromCopy is a burst of a copy of the state file that became the state file: the calls that it
// holds are summed up now. ok is false if the copy is damaged, so that this is not possible.
func (b Burst) FromCopy(now time.Time) (kept Burst, ok bool) {
	b.DueAt = now
	return b, b.Held.Calls <= 0 || b.Held.Gravest != nil
}

// next is the burst in its next window, with the alert of the calls that this window held. After a
// window that held nothing, the burst ends: there is false.
func (b Burst) next(now time.Time) (after Burst, there bool, ended []alert.Alert) {
	if b.Held.Calls == 0 {
		if b.Class == UnknownDeletion && b.Summaries > 0 {
			ended = append(ended, b.end(now))
		}
		return b, false, ended
	}
	ended = append(ended, b.summary(now))
	b.Summaries, b.Total, b.Level = b.Summaries+1, b.Total+b.Held.Calls, alert.Highest(b.Level, b.Held.Gravest.Level)
	b.Mark = max(b.Mark, b.Held.Severity)
	b.Since, b.DueAt, b.AtOnce, b.Held = now, now.Add(Window), nil, Held{}
	return b, true, ended
}

// hold notes a call, once.
func (b Burst) hold(a alert.Alert, c Call, now time.Time) Burst {
	id := a.ID[:min(len(a.ID), 16)]
	if slices.Contains(b.Held.Seen, id) {
		return b
	}
	h := &b.Held
	h.Seen = append(slices.Clone(h.Seen[max(0, len(h.Seen)+1-mostSeen):]), id)
	if h.Calls == 0 {
		h.First = now
	}
	h.Calls, h.FlowLogs, h.Last = h.Calls+1, h.FlowLogs+c.Example.FlowLogs, now
	h.Several = h.Several || h.Gravest != nil && incident.PrincipalOrName(h.Gravest.Actor) != incident.PrincipalOrName(a.Actor)
	if h.Gravest == nil || c.Severity > h.Severity {
		a.FlowLogs, a.FailedFlowLogs, a.Omitted, a.FailedOmitted, a.Recent = nil, nil, 0, 0, nil
		a.CampaignID = "" // the alert that ends the burst does not end the campaign
		a.Write()
		a.Title, a.Text = "", ""
		h.Gravest, h.Severity = &a, c.Severity
	}
	h.Examples = append(slices.Clone(h.Examples), heldCall{c.Severity, c.Example.Short()})
	slices.SortStableFunc(h.Examples, func(a, b heldCall) int { return cmp.Compare(b.Severity, a.Severity) })
	if len(h.Examples) > mostExamples {
		n := mostRedundant(h.Examples)
		h.Examples = slices.Delete(h.Examples, n, n+1)
	}
	return b
}

// mostRedundant is the index of the last call that did the same as an earlier one, or else of the last call:
// twenty equal calls must not push out a different one.
func mostRedundant(calls []heldCall) int {
	for n := len(calls) - 1; n > 0; n-- {
		if slices.ContainsFunc(calls[:n], calls[n].same) {
			return n
		}
	}
	return len(calls) - 1
}

// same reports whether two calls did the same, at different times.
func (c heldCall) same(other heldCall) bool {
	a, b := c.Call, other.Call
	a.EventID, a.Time, a.FlowLogs = b.EventID, b.Time, b.FlowLogs
	return a == b
}
