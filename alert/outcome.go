package alert

import (
	"cmp"
	"fmt"
	"strings"
)

// listed bounds how many flow logs a text spells out: one call can delete a
// thousand. The JSON has them all.
const listed = 20

// list adds one line a flow log.
func (t *lines) list(heading string, a Alert, logs []FlowLog) {
	if len(logs) == 0 {
		return
	}
	t.add(heading + ":")
	for _, f := range logs[:min(len(logs), listed)] {
		t.add("  " + f.Line(a))
	}
	if more := len(logs) - listed; more > 0 {
		t.add(fmt.Sprintf("  and %d more", more))
	}
}

// Line is one flow log of an alert: which, of what, to where, and how it stands.
func (f FlowLog) Line(a Alert) string {
	s := f.FlowLogID
	if f.ResourceID != "" {
		s += " of " + f.ResourceID
	}
	if f.Account != "" || f.Region != "" {
		s += " in " + strings.Trim(f.Account+" "+f.Region, " ")
	}
	if f.Destination != "" {
		s += " to " + f.Destination
	}
	if tags := f.telling(); tags != "" {
		s += " [" + tags + "]"
	}
	if how := f.Outcome(a); how != "" {
		s += ": " + how
	}
	if a.NotBack() {
		s += f.tries()
	}
	if len(f.DifferencesFound) > 0 {
		s += "; differs in " + Clean(strings.Join(f.DifferencesFound, ", "), MaxField)
	}
	if f.CreatedBy != "" {
		s += "; made by " + f.CreatedBy
	}
	if f.Advice != "" {
		s += "; " + f.Advice
	}
	return s
}

// Outcome words the state of the flow log's incident, or AWS's refusal.
func (f FlowLog) Outcome(a Alert) string {
	switch {
	case f.ErrorCode != "" && f.ErrorMessage != "":
		return f.ErrorCode + ", " + f.ErrorMessage
	case f.ErrorCode != "":
		return f.ErrorCode
	case f.State == "closed":
		return "closed, " + closedBecause(f.Reason)
	case f.State == "blocked":
		return "cannot be restored, " + blockedBy(f.Reason) + within(f.ErrorMessage)
	case a.Kind == Blocked && f.NewFlowLogID != "":
		return "AWS answered that it made " + f.NewFlowLogID + ", but DescribeFlowLogs has not shown it yet" + within(f.ErrorMessage)
	case f.NewFlowLogID != "":
		return f.back(a)
	case a.NotBack():
		return "not restored yet" + within(f.ErrorMessage)
	case f.NextAttemptAt != nil:
		return "not before " + moment(*f.NextAttemptAt)
	case f.Foreseen != "":
		return closedBecause(f.Foreseen)
	case f.State == "open" && a.Kind != Deletion:
		return "not restored yet"
	}
	return f.ErrorMessage
}

// within brackets what AWS said, if anything.
func within(message string) string {
	if message == "" {
		return ""
	}
	return " (" + message + ")"
}

// tries is how often Flowkeeper has tried, and when it tries next.
func (f FlowLog) tries() string {
	s := ""
	if f.Attempts > 0 {
		s = "; " + Plural(f.Attempts, "attempt") + " so far"
	}
	if f.NextAttemptAt != nil {
		s += "; next attempt at " + moment(*f.NextAttemptAt)
	}
	return s
}

func (f FlowLog) back(a Alert) string {
	s := "back as " + f.NewFlowLogID
	if f.BlindSeconds != nil {
		s += " after " + blindFor(a, *f.BlindSeconds)
	}
	switch {
	case f.State == "verified":
		s += ", verified"
	case f.Reason == notDelivering:
		s += ", but it does not deliver" + ifAny(": ", f.ErrorMessage)
	}
	return s
}

// blindFor is how long nothing was recorded. Of a drift it is only known when a refresh
// last saw the flow log.
func blindFor(a Alert, seconds float64) string {
	if a.Source == "drift" {
		return "at most " + span(seconds)
	}
	return span(seconds)
}

// notDelivering is the reason of what is back, and not verified.
const notDelivering = "not_delivering"

// closedBecause says why nothing is restored, where an incident is closed for a reason.
func closedBecause(reason string) string { return cmp.Or(closedReasons[reason], reason) }

// closedReasons and blockedReasons say in words what package incident names; a test holds
// them against its constants.
var closedReasons = map[string]string{
	"resource_gone": "its resource is gone too",
	"replaced":      "whoever deleted it made another",
	"released":      "it was released: it may go",
	"superseded":    "its replacement was lost in turn, see that one",
	"still_there":   "AWS still has it",
	"exempt":        "exempt: not restored",
	"alert_only":    "configured to alert only: not restored",
	"unknown":       "never seen in AWS, so there is nothing to restore it from",
}

// blockedBy says what is in the way, where an incident is blocked for a reason.
func blockedBy(reason string) string { return cmp.Or(blockedReasons[reason], reason) }

var blockedReasons = map[string]string{
	"permission":  "AWS refuses it to Flowkeeper's role",
	"destination": "its destination is missing or refuses",
	"role":        "its delivery role cannot be assumed",
	"limit":       "the account's limit of flow logs is reached",
	"decoy":       "another flow log holds its place",
	"invalid":     "AWS does not take its settings",
	"credentials": "AWS refuses the credentials, or they are not of its account",
	"account":     "AWS refuses the whole account",
	"refused":     "AWS refuses it",
}

// Doing is what Flowkeeper does now, so that people know what is left to them.
func (a Words) Doing() string {
	if a.NotBack() && a.Cause != "" {
		return "tries nothing until that is mended, and reminds daily; then it goes on by itself"
	}
	switch a.Kind {
	case Deletion:
		return a.answering()
	case Attempt:
		return "nothing is lost, so it does nothing more"
	case Blocked:
		return a.trying()
	case Flapping:
		return "keeps restoring, at a slower pace; stop who deletes"
	case Decoy:
		return "leaves it alone and goes on trying to restore; delete it if nobody you trust made it"
	case Tamper:
		return a.watching()
	case Closed:
		if superseded(a.FlowLogs) {
			return "goes on with the later deletion, which has alerts of its own"
		}
		return "has nothing left to do for this event"
	}
	return ""
}

// trying is how Flowkeeper goes on with what is not back: what only a person can mend
// is tried more and more slowly, anything else at least once a minute.
func (a Words) trying() string {
	for _, f := range a.FlowLogs {
		if f.State == "" || f.State == "blocked" {
			return "tries again, ever more slowly, and reminds daily; it restores by itself once the cause is gone"
		}
	}
	return "goes on trying, and reminds daily; it restores by itself once the cause is gone"
}

// watching is what is left to people after a tampering.
func (a Words) watching() string {
	switch {
	case a.NotStored:
		return "can't mend this, and " + restoresNothing
	case a.Target == "":
		return "can't know what was changed, nor undo it; it alerts when AWS reports that delivery fails, and restores flow logs that are deleted"
	case len(a.FlowLogs) == 0:
		return "can't mend this: the refresh still finds what is deleted, later and without who did it"
	}
	return "can't mend this; it alerts when AWS reports that delivery fails, and restores flow logs that are deleted"
}

const restoresNothing = "restores NOTHING until its state file can be written: make room on the daemon's machine (docs/troubleshoot.md#disk-space)"

// answering counts what a deletion leaves to do.
func (a Words) answering() string {
	if a.NotStored {
		return restoresNothing
	}
	if a.Repeats != nil {
		return "has nothing to restore these from; one that it comes to know has an alert of its own"
	}
	restore, wait, left := 0, 0, 0
	for _, f := range a.FlowLogs {
		switch {
		case f.State == "closed", f.State == "blocked", f.Foreseen != "":
			left++
		case f.NewFlowLogID != "":
			// A drift's alert waits for the create: the line says the new ID.
		case f.NextAttemptAt != nil:
			wait++
		default:
			restore++
		}
	}
	var parts []string
	if len(a.FlowLogs) == 0 {
		parts = append(parts, "refreshes its snapshot to find out which, and restores those")
	}
	if restore > 0 {
		parts = append(parts, fmt.Sprintf("restores %s as soon as AWS shows the loss and its limits allow; another alert follows", number(restore, len(a.FlowLogs))))
	}
	if wait > 0 {
		why := "leaves %s for a while to whoever did this, by a rule, and restores then"
		if a.Source == "drift" {
			why = "waits for a record that says who did this (drift_wait), and then restores %s"
		}
		parts = append(parts, fmt.Sprintf(why, number(wait, len(a.FlowLogs))))
	}
	if left > 0 {
		parts = append(parts, fmt.Sprintf("does not restore %s, for the reason given", number(left, len(a.FlowLogs))))
	}
	return strings.Join(parts, "; ")
}

func number(n, all int) string {
	if all == 1 {
		return "it"
	}
	return fmt.Sprintf("%d of them", n)
}
