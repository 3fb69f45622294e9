package alert

import (
	"cmp"
	"fmt"
	"strings"
)

// Lines are the first of an alert's flow logs, a line of at most limit characters each,
// and how many more there are than most.
func (a Alert) Lines(logs []FlowLog, most, limit int) (out []string) {
	for _, f := range logs[:min(len(logs), most)] {
		out = append(out, Clean(f.line(a), limit))
	}
	if more := len(logs) - len(out); more > 0 {
		out = append(out, fmt.Sprintf("and %d more", more))
	}
	return out
}

// line is one flow log: which, of what, to where, and how it stands.
func (f FlowLog) line(a Alert) string {
	s := cmp.Or(f.FlowLogID, "unknown") + ifAny(" of ", f.ResourceID) +
		ifAny(" in ", strings.TrimSpace(f.Account+" "+f.Region)) + ifAny(" to ", f.Destination)
	if tags := f.telling(); tags != "" {
		s += " [" + tags + "]"
	}
	s += ifAny(": ", f.Outcome(a))
	if a.NotBack() {
		s += f.tries()
	}
	return s + ifAny("; differs in ", Clean(strings.Join(f.DifferencesFound, ", "), MaxField)) +
		ifAny("; made by ", f.CreatedBy) + ifAny("; ", f.Advice)
}

// telling are the tags that say whose it is, as "Name=…, owner=…".
func (f FlowLog) telling() string {
	var out []string
	for _, want := range tellingTags {
		for _, k := range sortedKeys(f.Tags) {
			if strings.EqualFold(k, want) || strings.EqualFold(want, "environment") && strings.EqualFold(k, "env") {
				out = append(out, k+"="+Clean(f.Tags[k], 60))
			}
		}
	}
	return strings.Join(out, ", ")
}

// tellingTags say whose a flow log is: texts have these alone.
var tellingTags = []string{"Name", "owner", "environment"}

// Outcome words the state of the flow log's incident, or AWS's refusal.
func (f FlowLog) Outcome(a Alert) string {
	switch {
	case f.ErrorCode != "":
		return f.ErrorCode + ifAny(", ", f.ErrorMessage)
	case f.State == stateClosed:
		return "closed, " + closedBecause(f.Reason)
	case f.State == stateBlocked:
		return "cannot be restored, " + blockedBy(f.Reason) + inBrackets(f.ErrorMessage)
	case a.Kind == Blocked && f.NewFlowLogID != "":
		return "AWS answered that it made " + f.NewFlowLogID + ", but DescribeFlowLogs has not shown it yet" + inBrackets(f.ErrorMessage)
	case f.NewFlowLogID != "":
		return f.back(a)
	case a.NotBack():
		return "not restored yet" + inBrackets(f.ErrorMessage)
	case f.NextAttemptAt != nil:
		return "not before " + moment(*f.NextAttemptAt)
	case f.Foreseen != "":
		return closedBecause(f.Foreseen)
	case f.State == stateOpen && a.Kind != Deletion:
		return "not restored yet"
	}
	return f.ErrorMessage
}

// inBrackets is what AWS said, if anything.
func inBrackets(message string) string {
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

// back is what became of one that was restored.
func (f FlowLog) back(a Alert) string {
	s := "back as " + f.NewFlowLogID
	if f.BlindSeconds != nil {
		s += " after " + blindFor(a, *f.BlindSeconds)
	}
	switch {
	case f.State == stateVerified:
		s += ", verified"
	case f.Reason == notDelivering:
		s += ", but it does not deliver" + ifAny(": ", f.ErrorMessage)
	case f.Reason == notTagged:
		s += ", but some of its tags are missing" + ifAny(": ", f.ErrorMessage)
	}
	return s
}

// blindFor is how long nothing was recorded. Of a drift it is only known when a refresh
// last saw the flow log.
func blindFor(a Alert, seconds float64) string {
	if a.Source == sourceDrift {
		return "at most " + span(seconds)
	}
	return span(seconds)
}

// Tally says how many flow logs there are, of how many resources, and how they
// stand: what is left of a thousand on a phone.
func Tally(logs []FlowLog) string {
	resources, count := map[string]bool{}, map[string]int{}
	for _, f := range logs {
		if f.ResourceID != "" {
			resources[f.ResourceID] = true
		}
		count[f.State]++
	}
	s := Plural(len(logs), "flow log")
	if len(resources) > 0 {
		s += " of " + Plural(len(resources), "resource")
	}
	var parts []string
	for _, state := range states {
		if n := count[state]; n > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", n, state))
		}
	}
	return s + ifAny(": ", strings.Join(parts, ", "))
}
