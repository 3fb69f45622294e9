package alert

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

// headline is an alert in one line.
type headline struct{ Words }

// title is the alert in one line, short enough for a phone.
func (a headline) title() string {
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
			return "Deleted again, see the later alert: " + subject(a.FlowLogs) + a.in()
		}
		return "Finished: " + subject(a.FlowLogs) + a.in()
	case Flapping:
		return "Deleted again and again: " + subject(a.FlowLogs) + a.in()
	case Decoy:
		return "Decoy in the place of " + subject(a.FlowLogs) + a.in()
	case Tamper:
		if a.Source == sourceDrift {
			return a.because("Not protected: "+subject(a.FlowLogs)) + a.in()
		}
		a.Cause, _, _ = strings.Cut(a.Cause, "; ") // the text has the rest
		return "Tampering: " + a.because("something that flow logs depend on was changed") + a.in() + "," + a.by()
	case Pipeline:
		return a.pipelineTitle()
	case Destination:
		return "New flow log destination: " + a.because(subject(a.FlowLogs)) + a.in()
	case Test:
		return "Test alert from Flowkeeper: nothing has happened"
	}
	return "Flowkeeper: " + a.because(string(a.Kind)) + a.in()
}

// pipelineTitle depends on the part of the pipeline that the alert is about. The reasons of
// its flow logs may be about something else.
func (a headline) pipelineTitle() string {
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
		return "Restored, but some tags are missing: " + subject(a.FlowLogs) + a.in()
	case over:
		return "Works again: " + a.because("a part of the pipeline") + a.in()
	case a.aboutSink():
		return "Alerts don't arrive: " + a.firstStatement("a sink does not take them")
	}
	text := a.firstStatement("a part of the pipeline fails")
	if a.Level == Medium { // no protected flow log is known where the part fails
		return "Not protected: " + text + a.place(text)
	}
	return "Flow logs at risk: " + text + a.place(text)
}

// blockedTitle says what a person has to fix, or, if Flowkeeper still tries by itself, how
// often it has tried.
func (a headline) blockedTitle() string {
	if a.Cause != "" {
		return "Still not restored, and nothing is tried: " + subject(a.FlowLogs) + a.in()
	}
	tries, goesOn := 0, false
	for _, f := range a.FlowLogs {
		tries, goesOn = max(tries, f.Attempts), goesOn || f.State != "" && f.State != stateBlocked
	}
	if !goesOn {
		return "NOT restored: " + subject(a.FlowLogs) + reasons(a.FlowLogs) + a.in()
	}
	after := ""
	if tries > 0 {
		after = " after " + Plural(tries, "attempt")
	}
	return "Still not restored" + after + ": " + subject(a.FlowLogs) + a.in()
}

// sameError is AWS's message about all these flow logs; empty if the messages differ.
func sameError(logs []FlowLog) string {
	if !allAre(logs, func(f FlowLog) bool { return f.ErrorMessage == logs[0].ErrorMessage }) {
		return ""
	}
	return Clean(logs[0].ErrorMessage, 60)
}

func (a headline) deletionTitle() string {
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

func (a headline) restoredTitle() string {
	n, blind := 0, 0.0
	for _, f := range a.FlowLogs {
		if f.NewFlowLogID == "" || f.State == stateOpen || f.State == stateBlocked || f.State == stateClosed {
			continue // it is not back, even if it had a replacement, which was lost, too
		}
		n++
		if f.BlindSeconds != nil {
			blind = max(blind, *f.BlindSeconds)
		}
	}
	after := ""
	if blind > 0 {
		after = " after a gap of " + blindFor(a.Alert, blind)
	}
	switch {
	case n == 0:
		return "Not restored: " + subject(a.FlowLogs) + a.in()
	case n < len(a.FlowLogs):
		return fmt.Sprintf("Restored: %d of %d flow logs%s%s", n, len(a.FlowLogs), after, a.in())
	}
	return "Restored: " + subject(a.FlowLogs) + after + a.in()
}

// subject is how a title names flow logs: by the resource of one, or by their number.
func subject(logs []FlowLog) string {
	switch {
	case len(logs) == 0:
		return "flow logs"
	case len(logs) > 1:
		return fmt.Sprintf("%d flow logs", len(logs))
	case logs[0].ResourceID != "":
		return "the flow log of " + WithResource(Clean(logs[0].ResourceID, 40), Clean(logs[0].ResourceName, titleName))
	}
	return "flow log " + Clean(logs[0].FlowLogID, 40)
}

// by is the short name of the actor: the last part of an ARN, because the title has the
// account anyway. Any other name is followed by its account, if that is not the alert's.
func (a headline) by() string {
	if a.Actor == nil {
		return ""
	}
	name := a.Actor.Short()
	if other := a.Actor.Account; a.Actor.ARN == "" && other != a.Account && !strings.Contains(name, other) {
		name += " of " + other
	}
	return " by " + Clean(name, 80)
}

func (a headline) in() string {
	if a.Account == "" {
		return ""
	}
	return strings.TrimSuffix(" in "+WithAccount(Clean(a.Account, 20), Clean(a.AccountName, titleName))+" "+Clean(a.Region, 30), " ")
}

func (a headline) because(otherwise string) string {
	if a.Cause == "" {
		return otherwise
	}
	return Clean(a.Cause, 100)
}

// place is where it happened, without the parts that text contains already.
func (a headline) place(text string) string {
	switch {
	case a.Account == "" || !strings.Contains(text, a.Account):
		return a.in()
	case a.Region == "" || strings.Contains(text, a.Region):
		return ""
	}
	return " in " + Clean(a.Region, 30)
}

// firstStatement is the beginning of the cause, without the answer of AWS or of a sink, for which a title
// has no room. It may be longer if it names the account, because then the rest of the title does not.
func (a headline) firstStatement(otherwise string) string {
	text, named := a.Cause, 0
	if n := strings.Index(text, a.Account); n >= 0 {
		named = n + len(a.Account) // before it is the account's name, which may contain any characters
	}
	for _, end := range []string{": ", ". ", "; "} {
		if n := strings.Index(text[named:], end); n >= 0 {
			text = text[:named+n]
		}
	}
	if long := cutWords(text, 150); a.Account != "" && strings.Contains(long, a.Account) {
		return long
	}
	return cutWords(cmp.Or(text, otherwise), 100)
}

// cutWords is a text of at most limit characters, cut between words. The limit is less than MaxTitle.
func cutWords(text string, limit int) string {
	short := Clean(text, limit)
	if short == Clean(text, MaxTitle) {
		return short
	}
	short = strings.TrimSuffix(short, "…")
	if n := strings.LastIndex(short, " "); n > 0 {
		short = short[:n]
	}
	return short + "…"
}

// reasons is the reason of the flow logs if all have the same, or else how many there are.
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

// superseded reports whether every replacement was lost, too: a later alert is about that loss.
func superseded(logs []FlowLog) bool {
	return allAre(logs, func(f FlowLog) bool { return f.Reason == reasonSuperseded })
}

// dryRun reports whether all refusals are DryRunOperation, AWS's answer to a dry run of a
// call that would be allowed.
func dryRun(logs []FlowLog) bool {
	return allAre(logs, func(f FlowLog) bool { return strings.HasSuffix(f.ErrorCode, "DryRunOperation") })
}

// allAre reports whether there are flow logs, and is reports true for all of them.
func allAre(logs []FlowLog, is func(FlowLog) bool) bool {
	return len(logs) > 0 && !slices.ContainsFunc(logs, func(f FlowLog) bool { return !is(f) })
}
