package alert

import (
	"fmt"
	"slices"
	"strings"
)

// title is the alert in one line: what a phone shows.
func (a Alert) title() string {
	if a.Repeats != nil {
		return a.repeatsTitle()
	}
	switch a.Kind {
	case Deletion:
		return a.deletionTitle()
	case Attempt:
		named := subject(a.FailedFlowLogs)
		if a.FailedOmitted > 0 {
			named = Plural(len(a.FailedFlowLogs)+a.FailedOmitted, "flow log")
		}
		if dryRun(a.FailedFlowLogs) {
			return "Dry run of deleting " + named + a.by() + a.in()
		}
		return "Refused: deleting " + named + a.by() + a.in()
	case Restored:
		return a.restoredTitle()
	case Blocked:
		return a.blockedTitle()
	case Closed:
		if superseded(a.FlowLogs) {
			return "Superseded, deleted again meanwhile: " + subject(a.FlowLogs) + a.in()
		}
		return "Settled: " + subject(a.FlowLogs) + a.in()
	case Flapping:
		return "Deleted again and again: " + subject(a.FlowLogs) + a.in()
	case Decoy:
		return "Decoy in the place of " + subject(a.FlowLogs) + a.in()
	case Tamper:
		a.Cause, _, _ = strings.Cut(a.Cause, "; ") // what comes then is in the text
		return "Tampering: " + a.because("what flow logs depend on was changed") + a.in() + "," + a.by()
	case Pipeline:
		return a.pipelineTitle()
	case Destination:
		return "New flow log destination: " + a.because(subject(a.FlowLogs)) + a.in()
	case Test:
		return "Test alert from Flowkeeper: nothing has happened"
	}
	return "Flowkeeper: " + a.because(string(a.Kind)) + a.in()
}

// pipelineTitle goes by the part of the pipeline that the alert is about: what its
// flow logs give as a reason may be another matter.
func (a Alert) pipelineTitle() string {
	over := a.Level == Informational
	switch {
	case a.Part == PartRehearsal && over:
		return "A restore would be allowed again: " + subject(a.FlowLogs) + a.in()
	case a.Part == PartRehearsal:
		return "A restore would be refused: " + subject(a.FlowLogs) + reasons(a.FlowLogs) + a.in()
	case a.Part == PartDelivery && over:
		return "Delivers again: " + subject(a.FlowLogs) + a.in()
	case a.Part == PartDelivery:
		if why := sameError(a.FlowLogs); why != "" {
			return "Does not deliver: " + why + " (" + subject(a.FlowLogs) + ")" + a.in()
		}
		return "Does not deliver: " + subject(a.FlowLogs) + a.in()
	case a.Part == PartTags:
		return "Restored, but without all of its tags: " + subject(a.FlowLogs) + a.in()
	case over:
		return "Works again: " + a.because("a part of the pipeline") + a.in()
	case a.aboutSink():
		return "Alerts don't arrive: " + a.shortly("a sink does not take them")
	}
	return "Flow logs at risk: " + a.shortly("a part of the pipeline fails") + a.in()
}

// blockedTitle says what a person has to mend; or, where Flowkeeper still tries by
// itself, how often it has.
func (a Alert) blockedTitle() string {
	if a.Cause != "" {
		return "Still dark, and nothing is tried: " + subject(a.FlowLogs) + a.in()
	}
	tries, mine := 0, false
	for _, f := range a.FlowLogs {
		tries, mine = max(tries, f.Attempts), mine || f.State != "" && f.State != stateBlocked
	}
	if !mine {
		return "NOT restored: " + subject(a.FlowLogs) + reasons(a.FlowLogs) + a.in()
	}
	after := ""
	if tries > 0 {
		after = " after " + Plural(tries, "attempt")
	}
	return "Still dark" + after + ": " + subject(a.FlowLogs) + a.in()
}

// sameError is what AWS says of all these flow logs; empty where it differs.
func sameError(logs []FlowLog) string {
	if !allAre(logs, func(f FlowLog) bool { return f.ErrorMessage == logs[0].ErrorMessage }) {
		return ""
	}
	return Clean(logs[0].ErrorMessage, 60)
}

func (a Alert) deletionTitle() string {
	if a.NotStored {
		a.NotStored = false
		return a.deletionTitle() + ": NOT restored until the state file can be written"
	}
	if len(a.FlowLogs) == 0 {
		return "Deleted: flow logs, not known which," + a.by() + a.in()
	}
	if a.Source == sourceDrift {
		return "Gone: " + subject(a.FlowLogs) + a.in() + ", without a CloudTrail event"
	}
	return "Deleted: " + subject(a.FlowLogs) + a.by() + a.in()
}

func (a Alert) restoredTitle() string {
	n, blind := 0, 0.0
	for _, f := range a.FlowLogs {
		if f.NewFlowLogID == "" || f.State == stateOpen || f.State == stateBlocked || f.State == stateClosed {
			continue // a replacement that was lost in turn is none
		}
		n++
		if f.BlindSeconds != nil {
			blind = max(blind, *f.BlindSeconds)
		}
	}
	after := ""
	if blind > 0 {
		after = ", blind for " + blindFor(a, blind)
	}
	switch {
	case n == 0:
		return "Not restored: " + subject(a.FlowLogs) + a.in()
	case n < len(a.FlowLogs):
		return fmt.Sprintf("Restored: %d of %d flow logs%s%s", n, len(a.FlowLogs), after, a.in())
	}
	return "Restored: " + subject(a.FlowLogs) + after + a.in()
}

// subject is what a title says of flow logs: the resource of one, or how many.
func subject(logs []FlowLog) string {
	switch {
	case len(logs) == 0:
		return "flow logs"
	case len(logs) > 1:
		return fmt.Sprintf("%d flow logs", len(logs))
	case logs[0].ResourceID != "":
		return "the flow log of " + Clean(logs[0].ResourceID, 40)
	}
	return "flow log " + Clean(logs[0].FlowLogID, 40)
}

// by names the actor shortly: an ARN's last part, as the account is said anyway;
// any other name with its account, where that is another one.
func (a Alert) by() string {
	if a.Actor == nil {
		return ""
	}
	name := a.Actor.Short()
	if other := a.Actor.Account; a.Actor.ARN == "" && other != a.Account && !strings.Contains(name, other) {
		name += " of " + other
	}
	return " by " + Clean(name, 80)
}

func (a Alert) in() string {
	if a.Account == "" {
		return ""
	}
	return strings.TrimSuffix(" in "+Clean(a.Account, 20)+" "+Clean(a.Region, 30), " ")
}

func (a Alert) because(otherwise string) string {
	if a.Cause == "" {
		return otherwise
	}
	return Clean(a.Cause, 100)
}

// shortly is the cause without what AWS, or a sink, answered: that does not fit.
func (a Alert) shortly(otherwise string) string {
	a.Cause, _, _ = strings.Cut(a.Cause, ": ")
	return a.because(otherwise)
}

// reasons of flow logs in a title: the one that all have, or how many there are.
func reasons(logs []FlowLog) string {
	seen := map[string]bool{}
	for _, f := range logs {
		seen[f.Reason] = true
	}
	switch {
	case len(seen) > 1:
		return fmt.Sprintf(" (%d reasons)", len(seen))
	case len(logs) == 0 || logs[0].Reason == "":
		return ""
	}
	return " (" + Clean(logs[0].Reason, 40) + ")"
}

// superseded reports whether every replacement was lost in turn: a later alert
// is about that.
func superseded(logs []FlowLog) bool {
	return allAre(logs, func(f FlowLog) bool { return f.Reason == "superseded" })
}

// dryRun reports whether all refusals were AWS's answer to a dry run that
// would have been allowed: DryRunOperation is its answer then.
func dryRun(logs []FlowLog) bool {
	return allAre(logs, func(f FlowLog) bool { return strings.HasSuffix(f.ErrorCode, "DryRunOperation") })
}

// allAre reports whether there are flow logs, and all of them are so.
func allAre(logs []FlowLog, so func(FlowLog) bool) bool {
	return len(logs) > 0 && !slices.ContainsFunc(logs, func(f FlowLog) bool { return !so(f) })
}
