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
	defer func() { c.Effects.sayOnce(logged) }()
	isNamed := func(i Incident) bool { return a.Refused != nil && names(a.Refused.Message, i.ResourceID) }
	namesSome := slices.ContainsFunc(g.Incidents, isNamed)
	shared, half := g.sharedTags(), (len(g.Incidents)+1)/2
	for _, member := range g.Incidents {
		t, ok := c.begin(member.FlowLogID)
		inDoubt := ok && t.Pending() && t.Call != nil
		if !inDoubt || t.Call.Token != g.Token {
			continue // another step, or a command, was faster: what was made all the same, a refresh finds
		}
		made, shown := a.Made[t.ResourceID]
		item, refused := a.Items[t.ResourceID]
		switch {
		case a.Refused != nil:
			alone := a.Refused.mayMissTags(member, shared)
			if namesSome && a.Refused.Class != TagRefused {
				alone = isNamed(member)
			}
			refusal{t, *a.Refused, jitter}.ofCreation(alone, namesSome, half)
		case refused:
			allRefused := len(a.Items) >= len(g.Incidents)
			refusal{t, item, jitter}.ofItem(item.mayMissTags(member, shared), allRefused, half)
		case shown && made.ID == t.FlowLogID: // no success: it is gone
			refusal{t, Answer{Message: lostOnesID + made.ID, NoEffect: true}, jitter}.goAlone()
		case shown:
			t.countAttempt()
			t.markAbsent()
			t.Call = nil // it is answered
			t.markRestored(made, foundOurs)
		default:
			sent := *t.Call
			sent.Final, t.Call = true, &sent
			t.dueAt(sent.observeAt(c.Policy, c.Now)) // AWS has made it, and does not show it yet
		}
	}
}

// ofItem records that AWS refused one flow log of a call for several. If it may lack tags, or AWS
// says something of what is on its resource, it goes alone: then it has all of its tags, and is observed
// before. all: AWS refused all of them.
func (t refusal) ofItem(mayMissTags, all bool, half int) {
	switch {
	case t.a.Class == TokenMismatch:
		t.Group = ""
		t.countAttempt()
		t.sharedTokenUsed()
	case t.a.AsksToObserve() || mayMissTags:
		t.Tried++ // first attempts of others come before
		t.goAlone()
	default:
		if all && t.a.hasSharedCause() && (t.Attempts+1)%patience == 0 { // ApplyAnswer counts this one
			t.AtMost = half
		}
		if !t.a.hasSharedCause() {
			t.Group = ""
		}
		t.put()
		t.c.ApplyAnswer(t.FlowLogID, t.a, Observation{}, t.jitter)
	}
}

// mayMissTags reports whether AWS may have refused a call for several because it lacks tags that a
// create for one of them alone has: a service control policy, or a condition in IAM, refuses that
// with no other words than anything else. shared are the call's tags.
func (a Answer) mayMissTags(i Incident, shared map[string]string) bool {
	return a.Class == TagRefused || a.deniesCreation() && missingTags(i.Frozen.Tags, shared) != nil
}

// deniesCreation reports whether AWS does not allow the create itself, as far as it says.
func (a Answer) deniesCreation() bool {
	ofAnother := a.Denied != "" && !strings.EqualFold(a.Denied, "ec2:CreateFlowLogs") && !strings.EqualFold(a.Denied, "ec2:CreateTags")
	return a.Reason == Permission && !ofAnother
}

// hasSharedCause reports whether AWS refused a create for something that all flow logs which may share a call
// have in common. They stay together, so that one call restores them once the cause is gone. Credentials
// are no such cause: they have just shown the resources, and EC2 also answers AuthFailure where one of these is
// another account's.
func (a Answer) hasSharedCause() bool {
	switch a.Reason {
	case Account, Destination, Role:
		return true
	case Permission:
		return !a.deniesCreation()
	}
	return false
}

// ofCreation records that AWS refused a call for several as a whole, which says nothing
// about one of them. If waiting may help, or they have the cause in common (hasSharedCause), the call
// is repeated. If not, alone says which go alone, with all of their own tags: those that AWS named, and
// those whose tags it may demand or refuse. The others share a new call. Where AWS named none, or
// waiting has not helped for long, half of them share a call: the half without the one that is the
// cause is back then. If somebody used the call's token, they look first for what that may have made.
func (t refusal) ofCreation(alone, others bool, half int) {
	a := t.a
	t.countAttempt()
	t.LastError = a.Message
	switch {
	case a.Class == TryAgain:
		t.markAbsent()
		t.settleDoubt()
		most := patience
		if t.Call != nil {
			most = patienceInDoubt
		}
		if !a.Throttled && t.Attempts%most == 0 {
			t.AtMost = half
		}
		t.fail()
	case a.Class == TokenMismatch:
		t.sharedTokenUsed()
	case alone:
		t.goAlone()
	case !others && a.hasSharedCause():
		if t.Attempts%patience == 0 { // AWS may mean one of them all the same
			t.AtMost = half
		}
		t.markAbsent()
		t.settleDoubt()
		t.fail()
	default:
		if !others {
			t.AtMost = half
		}
		t.settleDoubt()
		t.dueAt(t.c.Now)
	}
}

// A group is halved after so many failures in a row that pass by themselves: one member may be
// why. A call in doubt is repeated for longer, with pauses of a minute together at most: its halves
// have to wait for what it may have made, which takes longer than most outages of AWS.
const (
	patience        = 3
	patienceInDoubt = 6
)

// sharedTokenUsed is tokenUsed for a call for several: the next step observes, and as long as it finds
// no equivalent the incident waits for a random token. With that it shares a call again; if that was
// used, too, it goes alone.
//
// A daemon alone makes no double by this, even if AWS has no guard and is slow to show what there is: a
// call that may have been sent before stays in doubt (settleDoubt), and whatever its token, Share
// creates nothing until an observation must show what that call has made. The observation before the
// random token finds what another daemon with the same key has created with the same token.
func (t refusal) sharedTokenUsed() {
	t.MismatchAt = Soonest(t.MismatchAt, t.c.Now)
	if t.RandomToken != "" {
		t.Group = ""
	}
	t.settleDoubt()
	t.markAbsent() // the observation before showed that
	t.a.Reason, t.a.Advice = TokenUsed, tokenUsedAdvice
	t.blockUntil(t.c.Now)
}

// goAlone lets the incident share no call from now on.
func (t refusal) goAlone() {
	t.Group, t.LastError = "", t.a.Message
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
