package rehearse

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"flowkeeper/alert"
	"flowkeeper/internal/detection"
	"flowkeeper/inventory"
	"flowkeeper/remediate/notify"
)

// PipelineHealth is what rehearsals show of the pipeline of events: their own
// CloudTrail records come through it as those of deletions do. The state file has it as
// JSON; a JSON name that differs from that of its field is of an earlier version.
type PipelineHealth struct {
	Instance        string    // names this state file in the tokens
	Unanswered      int       // rehearsals since the record of one last came back
	UnansweredSince time.Time // the first of these
	BackAt          time.Time // when the record of one last came back; zero: never
	OthersAt        time.Time // when that of another daemon with the same queue last came back
	By              string    // who made the last rehearsal, see callerOf; empty: not known yet
	SilenceAlerted  bool      `json:"Told"` // there was an alert that they do not come back any more
}

const (
	patience     = 30 * time.Minute // CloudTrail delivers within fifteen minutes, as a rule
	sharedMisses = 6                // unanswered rehearsals that count as silence if other daemons also take messages from the queue
	othersFor    = 24 * time.Hour   // how long another daemon counts after its last record
)

// token is the ClientToken of the call number n of a rehearsal. It tells people who read CloudTrail
// what the call is. No create ever has it.
func (h PipelineHealth) token(started time.Time, n int) string {
	return fmt.Sprintf("%s%s-%d-%d", detection.RehearsalToken, h.Instance, started.Unix(), n)
}

// FromCopy is what counts after a copy has become the state file. Who made the rehearsals does not: an attacker
// may have written that into the copy.
func (h PipelineHealth) FromCopy() PipelineHealth {
	h.By, h.OthersAt = "", time.Time{}
	return h
}

// madeBy notes who makes the rehearsals; empty: the same as the last one.
func (h PipelineHealth) madeBy(caller string) PipelineHealth {
	if caller != "" && caller != h.By {
		h.By, h.Unanswered = caller, 0 // records of another caller's rehearsals do not count as ours
	}
	return h
}

// sent notes that the calls of a rehearsal, which began at a time, were made, unless one has come
// back since.
func (h PipelineHealth) sent(at, now time.Time) PipelineHealth {
	if h.BackAt.After(at) && !h.BackAt.After(now) {
		return h
	}
	if h.Unanswered == 0 || h.UnansweredSince.After(at) { // later: the clock has gone back
		h.UnansweredSince = at
	}
	h.Unanswered++
	return h
}

// returned notes that a rehearsal with this token has come back.
func (h PipelineHealth) returned(token string, now time.Time) PipelineHealth {
	instance, _, _ := strings.Cut(strings.TrimPrefix(token, detection.RehearsalToken), "-")
	if instance != h.Instance {
		h.OthersAt = now
	}
	h.BackAt, h.Unanswered = now, 0
	return h
}

// alerted notes what the alerts that are added in the same commit say of the outage alert.PartEvents.
func (h PipelineHealth) alerted(s inventory.Scope, alerts []alert.Alert) PipelineHealth {
	if note := notify.OutageAfter(s, alert.PartEvents, alerts); note != nil {
		h.SilenceAlerted = note.Alerted
	}
	return h
}

// silenceAlerts returns the alert that rehearsals do not come back any more, if it is due.
func (h PipelineHealth) silenceAlerts(s inventory.Scope, now time.Time) []alert.Alert {
	if h.SilenceAlerted || !h.silent(now) {
		return nil
	}
	return []alert.Alert{silence(s, h.BackAt, now)}
}

// endAlerts returns the alert that rehearsals come back again, if there was one that they do not.
func (h PipelineHealth) endAlerts(s inventory.Scope, now time.Time) []alert.Alert {
	if !h.SilenceAlerted {
		return nil
	}
	return []alert.Alert{notify.OutageEnd(s, alert.PartEvents, "events come through the queue again", now)}
}

// silent reports whether the pipeline seems to be cut: it has worked before, and records of rehearsals
// no longer come back. It reports false as long as it is not known who makes the rehearsals.
func (h PipelineHealth) silent(now time.Time) bool {
	hasWorked := h.By != "" && !h.BackAt.IsZero()
	unanswered := h.Unanswered > 0 && now.Sub(h.UnansweredSince) >= patience
	if !hasWorked || !unanswered {
		return false
	}
	shared := !h.OthersAt.IsZero() && now.Sub(h.OthersAt) < othersFor
	return !shared || h.Unanswered >= sharedMisses
}

// isOurs reports whether a rehearsal with this identity in its record was made
// by a Flowkeeper: by this one's own principal, or by one that the configuration
// names. Any principal can make a dry run and put a rehearsal's token into it.
func (h PipelineHealth) isOurs(identity string, others []string) bool {
	who := callerOf(identity)
	return who != "" && (who == h.By || slices.ContainsFunc(others, func(other string) bool { return callerOf(other) == who }))
}

// callerOf names the user or role of an ARN. The name is the same for all sessions of a role, with
// or without the role's path: GetCallerIdentity and CloudTrail leave the path out, IAM does not.
// Empty: the text is not the ARN of a user or role.
func callerOf(text string) string {
	id := inventory.ParseARN(inventory.RoleOfSession(text))
	hasIdentities := id.Service == "iam" || id.Service == "sts"
	if !hasIdentities || id.AccountID == "" {
		return ""
	}
	name := id.Resource
	if path, is := strings.CutPrefix(name, "role/"); is {
		name = "role/" + path[strings.LastIndex(path, "/")+1:]
	}
	return id.AccountID + ":" + name
}
