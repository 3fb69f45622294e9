package incident

import (
	"cmp"
	"time"

	"flowkeeper/alert"
	"flowkeeper/internal/retry"
	"flowkeeper/inventory"
)

// Class of an answer to CreateFlowLogs (I9; docs/aws.md, "Creating flow logs").
type Class int

const (
	Created        Class = iota // a flow log ID came back
	TryAgain                    // passes by itself
	RoleSlow                    // tried again for a few minutes, then blocked: IAM is slow
	NeedsPerson                 // blocked
	ResourceAbsent              // the resource is not there
	AlreadyThere                // FlowLogAlreadyExists: observe which
	TokenMismatch               // IdempotentParameterMismatch: observe, then use the next generation
	TagRefused                  // create without our own tag
)

// Answer is what one call to AWS came to.
type Answer struct {
	Class   Class
	ID      string // of the flow log that was created
	Reason  string // of NeedsPerson and RoleSlow
	Advice  string // what a person should do
	Message string // AWS's own words, bounded

	Differences []string // of a decoy
}

// Fails reports whether the answer needs no observation to be understood, and is no
// success.
func (a Answer) Fails() bool {
	return a.Class != Created && a.Class != AlreadyThere && a.Class != TokenMismatch
}

// Hinted is AWS's own words, and what to do where that is known.
func (a Answer) Hinted() string {
	if a.Advice == "" {
		return a.Message
	}
	return a.Message + " (" + a.Advice + ")"
}

// Pauses before the next attempt (I9). What is blocked is tried again, too, so that it
// heals by itself soon after its cause is gone.
var (
	attempts        = retry.Backoff{First: time.Second, Most: time.Minute}
	blockedAttempts = retry.Backoff{First: 15 * time.Second, Most: 15 * time.Minute}
)

// roleGrace is how long a role that can't be assumed counts as IAM being slow.
const roleGrace = 5 * time.Minute

// ApplyAnswer records what a create came to. after is what AWS showed after an answer of
// AlreadyThere or TokenMismatch. jitter, in [0, 1), spreads the next attempt.
func (c *Case) ApplyAnswer(id string, a Answer, after Observation, jitter float64) {
	i, ok := c.clamped(id)
	if !ok || !i.Pending() {
		return // another step, or a command, was faster
	}
	i.Attempts++
	i.Tried++
	if a.Class != Created {
		i.LastError = a.Message
	}
	if a.Class != ResourceAbsent {
		i.NotFoundAt = time.Time{} // two refusals in a row, and nothing between them
	}
	c.markGone(i)
	if i.AbsentAt.IsZero() {
		i.AbsentAt = c.Now
	}
	i.AliveSince, i.Looks = time.Time{}, 0 // the observation before showed it gone: what may show it alive again begins anew
	switch a.Class {
	case Created:
		c.restored(i, inventory.FlowLog{ID: a.ID, Scope: i.Scope, Settings: Replacement(i), CreatedAt: c.Now}, false)
	case AlreadyThere:
		after.AlreadyExists = true
		c.apply(i, after)
	case TokenMismatch:
		if i.MismatchAt.IsZero() {
			i.MismatchAt = c.Now
		}
		c.apply(i, after)
	default:
		c.failed(i, a, jitter)
	}
}

// ApplyFailure records that an observation failed, and how.
func (c *Case) ApplyFailure(id string, a Answer, jitter float64) {
	i, ok := c.clamped(id)
	if !ok || i.Settled() {
		return // another step, or a command, was faster
	}
	if a.Class == ResourceAbsent {
		a.Class = TryAgain // an observation tells nothing of the resource
	}
	i.Attempts++
	i.Tried++
	i.NotFoundAt = time.Time{}
	c.failed(i, a, jitter)
}

// failed decides what an answer that was no success means: try again, close, or block (I9).
func (c *Case) failed(i Incident, a Answer, jitter float64) {
	i.LastError = a.Message
	if i.State == Open {
		i.Advice = a.Advice
	}
	i.NextAttemptAt = c.Now.Add(attempts.Jittered(i.Attempts, jitter))
	if a.Class != RoleSlow {
		i.FailingSince = time.Time{}
	}
	switch a.Class {
	case ResourceAbsent:
		if !i.NotFoundAt.IsZero() && c.Now.Sub(i.NotFoundAt) >= c.Policy.Settle {
			c.close(i, ResourceGone, "its resource no longer exists: "+a.Message)
			return
		}
		if i.NotFoundAt.IsZero() {
			i.NotFoundAt = c.Now
		}
		i.NextAttemptAt = i.NotFoundAt.Add(c.Policy.Settle)
		c.conclude(i, a.Message)
		return
	case TagRefused:
		if !i.Untagged {
			i.Untagged, i.NextAttemptAt = true, c.Now
			c.conclude(i, a.Message)
			return
		}
		a.Reason = Invalid
	case RoleSlow:
		if i.FailingSince.IsZero() {
			i.FailingSince = c.Now
		}
		if c.Now.Sub(i.FailingSince) < roleGrace {
			c.conclude(i, a.Message)
			return
		}
	case TryAgain:
		c.Effects.Log = append(c.Effects.Log, LogLine{Incident: i, Text: a.Message, Retry: true})
		c.conclude(i, a.Message)
		return
	}
	c.block(i, a)
}

// block records that a person is needed, and notes it once for each reason.
func (c *Case) block(i Incident, a Answer) {
	if i.State == Open {
		i.Attempts = 0
	}
	i.NextAttemptAt = c.Now.Add(blockedAttempts.Pause(i.Attempts))
	if i.State == Restored { // only an observation was refused: the flow log is there
		c.Put(i)
		return
	}
	unheard := i.Reason != a.Reason || i.ToldStuckAt.IsZero() && !i.StuckNews
	i.State, i.Reason, i.Advice, i.LastError = Blocked, a.Reason, a.Advice, a.Message
	if unheard {
		kind := alert.Blocked
		if a.Reason == Decoy {
			kind = alert.Decoy
		}
		i = c.stuck(i, Stuck{Kind: kind, Message: a.Message, Advice: a.Advice, Differences: a.Differences})
	}
	c.conclude(i, a.Message)
}

// stuck is an incident with the reason that keeps its flow log from coming back, of which
// people are to hear.
func (c *Case) stuck(i Incident, why Stuck) Incident {
	i.Stuck, i.StuckNews = &why, true
	c.Effects.note(NoteStuck, i)
	return i
}

// inTheWay is the answer of a create that a decoy prevents.
func inTheWay(i Incident, decoy Other) Answer {
	a := Answer{Class: NeedsPerson, Reason: Decoy,
		Message:     decoy.ID + " is in the way",
		Advice:      decoy.ID + " delivers from the same resource to the same destination, but not the same: delete it, and this one comes back",
		Differences: inventory.Differences(i.Scope, i.Frozen, decoy.Settings),
	}
	if decoy.Status != "ACTIVE" {
		a.Differences = append(a.Differences, "status: "+cmp.Or(decoy.Status, "nothing")+" instead of ACTIVE")
	}
	if decoy.CreatedBy != "" {
		a.Message += ", made by " + decoy.CreatedBy
	}
	return a
}
