package alert

import (
	"cmp"
	"fmt"
	"strings"
)

// Lines are the first of an alert's flow logs, at most most of them, each a line of at most
// limit characters, and then how many more there are.
func (a Words) Lines(logs []FlowLog, most, limit int) (out []string) {
	for _, f := range logs[:min(len(logs), most)] {
		out = append(out, Clean(f.line(a.Alert), limit))
	}
	if more := len(logs) - len(out); more > 0 {
		out = append(out, fmt.Sprintf("and %d more", more))
	}
	return out
}

// line describes one flow log: its ID, resource, destination and state.
func (f FlowLog) line(a Alert) string {
	s := cmp.Or(f.FlowLogID, "unknown") + ifAny(" of ", WithResource(f.ResourceID, f.ResourceName)) +
		ifAny(" in ", strings.TrimSpace(WithAccount(f.Account, f.AccountName)+" "+f.Region)) + ifAny(" to ", f.Destination)
	if tags := f.ownerTags(); tags != "" {
		s += " [" + tags + "]"
	}
	s += ifAny(": ", f.Outcome(a))
	if a.NotBack() {
		s += f.tries()
	}
	return s + ifAny("; differs in ", Clean(strings.Join(f.DifferencesFound, ", "), MaxField)) +
		ifAny("; made by ", f.CreatedBy) + ifAny("; ", f.moreAdvice())
}

// namesSuccessor reports whether the incident is superseded, so that its advice names the later one.
func (f FlowLog) namesSuccessor() bool {
	return f.State == stateClosed && f.Reason == reasonSuperseded && f.Advice != ""
}

// moreAdvice is the advice, unless Outcome has it.
func (f FlowLog) moreAdvice() string {
	if f.namesSuccessor() {
		return ""
	}
	return f.Advice
}

// ownerTags are the tags that show who owns the flow log, as "Name=…, owner=…".
func (f FlowLog) ownerTags() string {
	var out []string
	for _, want := range ownerTagKeys {
		for _, k := range sortedKeys(f.Tags) {
			if strings.EqualFold(k, want) || strings.EqualFold(want, "environment") && strings.EqualFold(k, "env") {
				out = append(out, k+"="+Clean(f.Tags[k], 60))
			}
		}
	}
	return strings.Join(out, ", ")
}

// ownerTagKeys are the keys of the only tags that texts show.
var ownerTagKeys = []string{"Name", "owner", "environment"}

// Outcome says in words the state of the flow log's incident, or AWS's refusal.
func (f FlowLog) Outcome(a Alert) string {
	switch {
	case f.ErrorCode != "":
		return f.ErrorCode + ifAny(", ", f.ErrorMessage)
	case f.namesSuccessor():
		return "closed, " + f.Advice
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
		return "will not be restored before " + moment(*f.NextAttemptAt)
	case f.Foreseen != "":
		return closedBecause(f.Foreseen)
	case f.State == stateOpen && a.Kind != Deletion:
		return "not restored yet"
	}
	return f.ErrorMessage
}

// inBrackets is AWS's message in brackets; empty if there is none.
func inBrackets(message string) string {
	if message == "" {
		return ""
	}
	return " (" + message + ")"
}

// tries says how often Flowkeeper has tried, and when it tries next.
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

// back says how the restore of a flow log has ended.
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

// blindFor says how long nothing was recorded. After a drift it is an upper bound: only the time
// is known when a refresh last saw the flow log.
func blindFor(a Alert, seconds float64) string {
	if a.Source == sourceDrift {
		return "at most " + span(seconds)
	}
	return span(seconds)
}

// Tally says how many flow logs, resources and states there are: about a thousand flow logs,
// a phone has room for no more.
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
