package incident

import (
	"slices"
	"strings"

	"flowkeeper/inventory"
)

// CreationAnswer is AWS's answer to a call for several incidents.
type CreationAnswer struct {
	Refused *Answer                      // the call as a whole; nil: AWS did some of it at least
	Items   map[string]Answer            // by resource: what AWS did not make
	Made    map[string]inventory.FlowLog // by resource: the flow logs that it answered, as far as AWS shows them
}

// ApplyCreation records AWS's answer to a call for several incidents. jitter, in [0, 1),
// spreads the next attempt. It is the same for all of them, because the same call may have
// to be repeated.
func (s Sharing) ApplyCreation(g Creation, a CreationAnswer, jitter float64) {
	c := s.c
	logged := len(c.Effects.Log)
	defer func() { c.Effects.logFailureOnce(logged) }()
	namesSome := a.Refused != nil && slices.ContainsFunc(g.Incidents, func(i Incident) bool { return names(a.Refused.Message, i.ResourceID) })
	shared, half := g.commonTags(), (len(g.Incidents)+1)/2
	for _, member := range g.Incidents {
		t, ok := c.begin(member.FlowLogID)
		inDoubt := ok && t.Pending() && t.Call != nil
		if !inDoubt || t.Call.Token != g.Token {
			continue // another step, or a command, was faster: if AWS made something all the same, a refresh finds it
		}
		made, shown := a.Made[t.ResourceID]
		item, isItem := a.Items[t.ResourceID]
		switch {
		case a.Refused != nil:
			refusal{t, *a.Refused, jitter}.applyToMember(a.Refused.stepOf(member, shared, namesSome), half)
		case isItem:
			allRefused := len(a.Items) >= len(g.Incidents)
			refusal{t, item, jitter}.applyToItem(item.mayMissTags(member, shared), allRefused, half)
		case shown && made.ID == t.FlowLogID: // no success: that flow log is gone
			refusal{t, Answer{Class: TokenMismatch, Message: answeredLostID + made.ID, NoEffect: true}, jitter}.goAlone()
		case shown:
			t.countAttempt()
			t.markAbsent()
			t.Call = nil // it is answered
			t.takeReplacement(made, foundOurs)
		default:
			sent := *t.Call
			sent.Final, t.Call = true, &sent
			t.dueAt(sent.observeAt(c.Policy, c.Now)) // AWS has made it, and does not show it yet
		}
	}
}

// applyToItem records that AWS refused one flow log of a call for several. If missing tags may be the
// cause, or AWS says something about the flow logs on its resource, its next create is for it alone: that
// has all of its tags, and follows an observation. all: AWS refused all flow logs of the call.
func (t refusal) applyToItem(mayMissTags, all bool, half int) {
	a := t.answer
	switch {
	case a.Class == TokenMismatch:
		t.Group = ""
		t.countAttempt()
		t.applySharedTokenMismatch()
	case a.AsksToObserve() || mayMissTags:
		t.Tried++ // it is a retry now: first attempts come before it
		t.goAlone()
	default:
		if all && a.hasSharedCause() && (t.Attempts+1)%patience == 0 { // ApplyAnswer counts this one
			t.AtMost = half
		}
		if !a.hasSharedCause() {
			t.Group = ""
		}
		t.put()
		t.c.ApplyAnswer(t.FlowLogID, a, Observation{}, t.jitter)
	}
}

// mayMissTags reports whether AWS may have refused a call for several because it lacks tags that a
// create for one of them alone has. If a service control policy or a condition in IAM demands tags,
// AWS's message does not say so. shared are the call's tags.
func (a Answer) mayMissTags(i Incident, shared map[string]string) bool {
	return a.Class == TagRefused || a.deniesCreation() && missingTags(i.Frozen.Tags, shared) != nil
}

// deniesCreation reports whether AWS does not allow the create itself, as far as it says.
func (a Answer) deniesCreation() bool {
	ofAnother := a.Denied != "" && !strings.EqualFold(a.Denied, "ec2:CreateFlowLogs") && !strings.EqualFold(a.Denied, "ec2:CreateTags")
	return a.Reason == Permission && !ofAnother
}

// hasSharedCause reports whether AWS refused a create for a cause that all flow logs which may share a call
// have in common. They stay together, so that one call restores them once the cause is gone. Refused credentials
// are no such cause: DescribeFlowLogs has just accepted them, and EC2 also answers AuthFailure if one of the
// resources is another account's.
func (a Answer) hasSharedCause() bool {
	switch a.Reason {
	case Account, Destination, Role:
		return true
	case Permission:
		return !a.deniesCreation()
	}
	return false
}

// memberStep is what becomes of one flow log of a call for several that AWS refused as a whole.
type memberStep int

const (
	repeatCall memberStep = iota // all of them share the same call again
	goAlone                      // with all of its own tags
	shareNew                     // a new call, with the others that do not go alone
	shareHalf                    // as shareNew, for half of them: one may be the cause, and the half without it is then back
	otherToken                   // somebody used the call's token: look for what that may have made, and take another one
)

// stepOf is what becomes of a member. shared are the call's tags; namesSome: AWS named some of the members.
func (a Answer) stepOf(member Incident, shared map[string]string, namesSome bool) memberStep {
	switch {
	case a.Class == TryAgain:
		return repeatCall
	case a.Class == TokenMismatch:
		return otherToken
	case a.Class == TagRefused, namesSome && names(a.Message, member.ResourceID):
		return goAlone
	case namesSome:
		return shareNew
	case a.mayMissTags(member, shared):
		return goAlone
	case a.hasSharedCause():
		return repeatCall
	}
	return shareHalf
}

// applyToMember applies the refusal of a call for several to one of them.
func (t refusal) applyToMember(step memberStep, half int) {
	t.countAttempt()
	t.LastError = t.answer.Message
	switch step {
	case repeatCall:
		t.markAbsent()
		t.settleDoubt()
		most := patience
		if t.Call != nil && t.answer.Class == TryAgain {
			most = patienceInDoubt
		}
		if !t.answer.Throttled && t.Attempts%most == 0 {
			t.AtMost = half
		}
		t.fail()
	case goAlone:
		t.goAlone()
	case shareHalf:
		t.AtMost = half
		fallthrough
	case shareNew:
		t.settleDoubt()
		t.dueAt(t.c.Now)
	case otherToken:
		t.applySharedTokenMismatch()
	}
}

// A group is halved after this many attempts in a row that failed for a cause that may pass, or that all have in common:
// one member may be the cause all the same. A call in doubt is repeated more often, with pauses of a minute in all at
// most: its halves must wait until AWS must show what it may have made, and most outages of AWS are shorter than that.
const (
	patience        = 3
	patienceInDoubt = 6
)

// applySharedTokenMismatch is applyTokenMismatch for a call for several: the next step observes. While it finds no
// equivalent, the incident waits for a random token. With that it shares a call again; if the random
// token was used, too, it goes alone.
//
// A single daemon creates no second flow log here, even if AWS would allow one and is slow to show the
// first: a call that may have been sent before stays in doubt (settleDoubt), and Share creates nothing,
// with any token, until an observation must show what that call has made. The observation before the
// random token finds what another daemon with the same key has created with the same token.
func (t refusal) applySharedTokenMismatch() {
	t.MismatchAt = Soonest(t.MismatchAt, t.c.Now)
	if t.RandomToken != "" {
		t.Group = ""
	}
	t.settleDoubt()
	t.markAbsent() // the observation before the create showed that
	tokenObstacle(t.answer).blockUntil(t.transition, t.c.Now)
}

// goAlone takes the incident out of its group: from now on it shares no call.
func (t refusal) goAlone() {
	t.Group, t.LastError = "", t.answer.Message
	t.settleDoubt()
	t.dueAt(t.c.Now)
}

// names reports whether a message of AWS has an ID in it.
func names(message, id string) bool {
	const inID = "-0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
	for rest := message; id != ""; {
		_, after, found := strings.Cut(rest, id)
		if !found {
			return false
		}
		if after == "" || !strings.ContainsRune(inID, rune(after[0])) {
			return true
		}
		rest = after
	}
	return false
}
