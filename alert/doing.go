package alert

import (
	"fmt"
	"slices"
	"strings"
)

// Doing says what Flowkeeper does by itself, so that people know what is left for them.
func (a Words) Doing() string {
	if a.NotBack() && a.Cause != "" {
		return "tries nothing until this is fixed, and reminds you daily; then it goes on by itself"
	}
	switch a.Kind {
	case Deletion:
		return a.afterDeletion()
	case Attempt:
		return "does nothing more, because no flow log was deleted"
	case Blocked:
		return a.whileNotBack()
	case Flapping:
		return "keeps restoring, but less often; stop the principal that deletes it"
	case Decoy:
		return "does not change the decoy, and keeps trying to restore; delete the decoy, unless somebody you trust created it"
	case Tamper:
		return a.afterTampering()
	case Closed:
		if superseded(a.FlowLogs) {
			return "goes on with the later deletion, which has alerts of its own"
		}
		return "has nothing left to do for this event"
	}
	return ""
}

// whileNotBack says how Flowkeeper goes on with flow logs that are not back: it tries those
// that need a person less and less often, all others at least once a minute.
func (a Words) whileNotBack() string {
	needsPerson := func(f FlowLog) bool { return f.State == "" || f.State == stateBlocked }
	if slices.ContainsFunc(a.FlowLogs, needsPerson) {
		return "tries again, less and less often, and reminds you daily; it restores by itself when the cause is fixed"
	}
	return "keeps trying, and reminds you daily; it restores by itself when the cause is fixed"
}

// afterTampering says what Flowkeeper does after tampering.
func (a Words) afterTampering() string {
	switch {
	case a.Source == sourceDrift:
		return "does not change what stands there, and would not restore it; it protects it once AWS shows both, or once the other one is released"
	case a.NotStored:
		return "can't undo this, and " + restoresNothing
	case a.Target == "":
		return "can't know what was changed, and can't undo it; it alerts when AWS reports that delivery fails, and restores flow logs that are deleted"
	case len(a.FlowLogs) == 0:
		return "can't undo this; the refresh still finds deleted flow logs, but later, and not who deleted them"
	}
	return "can't undo this; it alerts when AWS reports that delivery fails, and restores flow logs that are deleted"
}

const restoresNothing = "restores NOTHING until its state file can be written: free disk space on the daemon's machine (docs/troubleshoot.md#disk-space)"

// afterDeletion says what Flowkeeper does about a deletion: how many flow logs it restores
// now, later, or not.
func (a Words) afterDeletion() string {
	if a.NotStored {
		return restoresNothing
	}
	if a.Repeats != nil {
		return "can't restore these, because it never saw their settings; if it finds one of them later, another alert follows"
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
		parts = append(parts, "refreshes its snapshot to find out which flow logs are gone, and restores these")
	}
	if restore > 0 {
		parts = append(parts, fmt.Sprintf("restores %s as soon as AWS shows the loss, within AWS's rate limits; another alert follows", ofThem(restore, len(a.FlowLogs))))
	}
	if wait > 0 {
		why := "waits before it restores %s, because a rule gives the caller time to create a replacement"
		if a.Source == sourceDrift {
			why = "waits for a record that shows who did this (drift_wait), and then restores %s"
		}
		parts = append(parts, fmt.Sprintf(why, ofThem(wait, len(a.FlowLogs))))
	}
	if left > 0 {
		parts = append(parts, fmt.Sprintf("does not restore %s, for the reason given", ofThem(left, len(a.FlowLogs))))
	}
	return strings.Join(parts, "; ")
}

// ofThem says in words that n of all flow logs of an alert are meant.
func ofThem(n, all int) string {
	switch {
	case all == 1:
		return "it"
	case n == all:
		return fmt.Sprintf("all %d", n)
	}
	return fmt.Sprintf("%d of them", n)
}
