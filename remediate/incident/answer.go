package incident

import (
	"time"

	"flowkeeper/internal/retry"
)

// Class of an answer to CreateFlowLogs or CreateTags (I9; docs/aws.md, "Creating flow logs"). The zero value is
// no success.
type Class string

const (
	Succeeded      Class = "succeeded"       // AWS has done what was asked, or would do it if this were no dry run
	TryAgain       Class = "try again"       // the cause passes by itself
	RoleSlow       Class = "role slow"       // tried again for a few minutes, then blocked: IAM is slow
	NeedsPerson    Class = "needs person"    // blocked
	ResourceAbsent Class = "resource absent" // the resource is not there
	AlreadyThere   Class = "already there"   // FlowLogAlreadyExists: observe which
	TokenMismatch  Class = "token mismatch"  // IdempotentParameterMismatch: observe, then take a random token
	TagRefused     Class = "tag refused"     // create without our own tag
)

// Answer is what one call to AWS came to.
type Answer struct {
	Class   Class
	ID      string // of the flow log that was created; empty after a dry run or CreateTags
	Reason  Reason // of NeedsPerson and RoleSlow
	Advice  string // what a person should do
	Denied  string // the action that AWS does not allow, for example iam:PassRole; empty: it names none
	Message string // AWS's own words, bounded
	// NoEffect: AWS refused the call, and the call has made nothing.
	NoEffect  bool
	Throttled bool // AWS refused it for its rate
}

// Fails reports whether the attempt failed: the answer is no success, and an observation of the resource can't
// change that. after is that observation.
func (a Answer) Fails(after Observation) bool {
	return a.Class != Succeeded && a.Class != AlreadyThere && a.Class != TokenMismatch || a.isUnseen(after)
}

// isUnseen reports whether AWS says that a flow log is there, and the observation that was to show it failed.
func (a Answer) isUnseen(after Observation) bool {
	return a.Class == AlreadyThere && after.Failure != nil
}

// AsksToObserve reports whether the answer says something about the flow logs on the resource, so
// that the resource is to be observed before the answer is applied.
func (a Answer) AsksToObserve() bool {
	return a.Class == AlreadyThere || a.Class == TokenMismatch || a.reachesLimit()
}

// reachesLimit reports whether AWS refused because the resource has as many flow logs as AWS allows.
func (a Answer) reachesLimit() bool { return a.Class == NeedsPerson && a.Reason == Limit }

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

// ApplyAnswer records what a create came to. after is what AWS showed after an answer that
// asks to observe. jitter, in [0, 1), spreads the next attempt.
func (c *Case) ApplyAnswer(id string, a Answer, after Observation, jitter float64) {
	if a.isUnseen(after) {
		c.applyFailure(id, *after.Failure, jitter)
		return
	}
	t, ok := c.begin(id)
	if !ok || !t.Pending() {
		return // another step, or a command, was faster: if a create made something all the same, a refresh finds it
	}
	if a.Class == Succeeded && a.ID == t.FlowLogID { // no success: that flow log is gone
		a.Class, a.Message = TokenMismatch, answeredLostID+a.ID
	}
	t.Attempts++
	t.Tried++
	if a.Class != Succeeded {
		t.LastError = a.Message
	}
	if a.Class != AlreadyThere {
		t.ExistsAt = time.Time{}
	}
	if a.Class != ResourceAbsent {
		t.NotFoundAt = time.Time{} // two refusals in a row, and nothing between them
	}
	if a.Class != TryAgain && !a.hasSharedCause() {
		t.Group = "" // AWS says this of one flow log: the others need not wait for it
	}
	r := refusal{t, a, jitter}
	r.settleDoubt() // a success ends it below
	t.markAbsent()  // the observation before the create showed that
	switch {
	case a.Class == Succeeded:
		t.Call = nil // it is answered
		t.takeReplacement(t.created(a.ID), fromAnswer)
	case a.Class == AlreadyThere:
		after.AlreadyExists = true
		t.applyObservation(after)
	case a.Class == TokenMismatch:
		r.applyTokenMismatch(after)
	case a.reachesLimit():
		r.applyLimit(after)
	default:
		r.fail()
	}
}

const answeredLostID = "CreateFlowLogs answered the ID of the lost flow log, "

// refusal is an answer of AWS that was no success, and the incident that it is applied to. Its methods change the
// incident, and never the answer.
type refusal struct {
	*transition
	answer Answer
	jitter float64 // in [0, 1): spreads the next attempt
}

// applyTokenMismatch applies IdempotentParameterMismatch: the ClientToken was used for another call. It
// looks for an equivalent. If AWS shows none at once, it notes, once, that somebody may have used
// the token.
func (t refusal) applyTokenMismatch(after Observation) {
	t.MismatchAt = Soonest(t.MismatchAt, t.c.Now)
	t.applyObservation(after)
	if t.Pending() {
		tokenObstacle(t.answer).blockUntil(t.transition, t.NextAttemptAt)
	}
}

// applyFailure records that an observation failed, and how.
func (c *Case) applyFailure(id string, a Answer, jitter float64) {
	t, ok := c.begin(id)
	if !ok || t.Terminal() {
		return // another step, or a command, was faster
	}
	if a.Class == ResourceAbsent {
		a.Class = TryAgain // an observation says nothing about the resource
	}
	t.countAttempt()
	refusal{t, a, jitter}.fail()
}

// countAttempt counts an attempt that has not found the resource absent.
func (t *transition) countAttempt() {
	t.Attempts++
	t.Tried++
	t.NotFoundAt = time.Time{} // two refusals in a row, and nothing between them
}

// fail applies an answer that was no success: it tries again, closes, or blocks (I9).
func (t refusal) fail() {
	a, now := t.answer, t.c.Now
	t.LastError = a.Message
	if t.State == Open {
		t.Advice = a.Advice
	}
	t.NextAttemptAt = now.Add(attempts.Jittered(t.Attempts, t.jitter))
	if a.Class != RoleSlow {
		t.FailingSince = time.Time{}
	}
	switch blocked := answerObstacle(a); a.Class {
	case ResourceAbsent:
		t.applyNotFound()
	case TagRefused:
		if t.Untagged { // to leave out our tag has not helped
			blocked.block(t.transition)
			return
		}
		t.Untagged = true
		t.dueAt(now)
	case RoleSlow:
		t.FailingSince = Soonest(t.FailingSince, now)
		if now.Sub(t.FailingSince) >= roleGrace {
			blocked.block(t.transition)
			return
		}
		t.put()
	case TryAgain:
		t.c.Effects.Log = append(t.c.Effects.Log, LogLine{Incident: t.Incident, Text: a.Message, Retry: true})
		t.put()
	default: // NeedsPerson
		blocked.block(t.transition)
	}
}

// applyNotFound closes the incident once AWS has said for long enough that its resource does
// not exist.
func (t refusal) applyNotFound() {
	now, window := t.c.Now, t.c.Policy.ConsistencyWindow
	if !t.NotFoundAt.IsZero() && now.Sub(t.NotFoundAt) >= window {
		t.close(ResourceGone, "its resource no longer exists: "+t.answer.Message)
		return
	}
	t.NotFoundAt = Soonest(t.NotFoundAt, now)
	t.dueAt(t.NotFoundAt.Add(window))
}

// settleDoubt ends the doubt about a call, if AWS refused it and the call has made nothing. If
// the call may have been sent before, it stays in doubt: AWS may have refused the repeat because
// of what the first one made.
func (t refusal) settleDoubt() {
	switch {
	case t.Call == nil || !t.answer.NoEffect:
	case t.Call.Before.IsZero():
		t.Call = nil
	default:
		t.Call = &SentCall{Token: t.Call.Token, At: t.Call.Before, Final: t.Call.Final || t.answer.Class != TryAgain}
	}
}
