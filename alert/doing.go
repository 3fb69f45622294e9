package alert

import (
	"fmt"
	"slices"
	"strings"
)

// Doing says what Flowkeeper does by itself, so that people know what they have to do.
func (a Alert) Doing() string {
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

// trying says how Flowkeeper goes on with flow logs that are not back: those that need a
// person are tried less and less often, all others at least once a minute.
func (a Alert) trying() string {
	needsPerson := func(f FlowLog) bool { return f.State == "" || f.State == stateBlocked }
	if slices.ContainsFunc(a.FlowLogs, needsPerson) {
		return "tries again, ever more slowly, and reminds daily; it restores by itself once the cause is gone"
	}
	return "goes on trying, and reminds daily; it restores by itself once the cause is gone"
}

// watching says what Flowkeeper does after tampering.
func (a Alert) watching() string {
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

// answering says what Flowkeeper does about a deletion: how many flow logs it restores now,
// later, or not.
func (a Alert) answering() string {
	if a.NotStored {
		return restoresNothing
	}
	if a.Repeats != nil {
		return "has nothing to restore these from; one that it comes to know has an alert of its own"
	}
	restore, wait, left := 0, 0, 0
	for _, f := range a.FlowLogs {
		switch {
		case f.State == stateClosed, f.State == stateBlocked, f.Foreseen != "":
			left++
		case f.NewFlowLogID != "":
			// The alert of a drift waits for the create, and names the new ID.
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
		parts = append(parts, fmt.Sprintf("restores %s as soon as AWS shows the loss and its limits allow; another alert follows", ofThem(restore, len(a.FlowLogs))))
	}
	if wait > 0 {
		why := "leaves %s for a while to whoever did this, by a rule, and restores then"
		if a.Source == sourceDrift {
			why = "waits for a record that says who did this (drift_wait), and then restores %s"
		}
		parts = append(parts, fmt.Sprintf(why, ofThem(wait, len(a.FlowLogs))))
	}
	if left > 0 {
		parts = append(parts, fmt.Sprintf("does not restore %s, for the reason given", ofThem(left, len(a.FlowLogs))))
	}
	return strings.Join(parts, "; ")
}

// ofThem words n of all flow logs that an alert names.
func ofThem(n, all int) string {
	if all == 1 {
		return "it"
	}
	return fmt.Sprintf("%d of them", n)
}
