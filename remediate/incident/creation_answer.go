package incident

import (
	"strings"
	"time"

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
	named := map[string]bool{}
	if a.Refused != nil {
		for _, i := range g.Incidents {
			if names(a.Refused.Message, i.ResourceID) {
				named[i.FlowLogID] = true
			}
		}
	}
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
			refusal{t, *a.Refused, jitter}.ofCreation(named[t.FlowLogID], len(named) > 0, (len(g.Incidents)+1)/2)
		case refused && !item.AsksToObserve():
			t.Group = ""
			t.put()
			c.ApplyAnswer(t.FlowLogID, item, Observation{}, jitter)
		case refused:
			if item.Fails() {
				t.Tried++ // first attempts of others come before
			}
			refusal{t, item, jitter}.goAlone() // that observes, too, and sees what is in the way
		case shown && made.ID == t.FlowLogID: // no success: it is gone
			refusal{t, Answer{Message: lostOnesID + made.ID, NoEffect: true}, jitter}.goAlone()
		case shown:
			t.Attempts, t.Tried, t.NotFoundAt = t.Attempts+1, t.Tried+1, time.Time{}
			t.absent()
			t.Call = nil // it is answered
			t.restored(made, foundOurs)
		default:
			sent := *t.Call
			sent.Final, t.Call = true, &sent
			t.dueAt(sent.observeAt(c.Policy, c.Now)) // AWS has made it, and does not show it yet
		}
	}
}

// ofCreation records that AWS refused a call for several as a whole, which says nothing
// about one of them. If waiting may help, the call is repeated. If not, the ones that AWS
// named go alone, and the others share a new call. Where it named none, or waiting has not
// helped for long, half of them share a call: the half without the one that is the cause
// is back then. Where AWS refuses the tags, each goes alone, with all of its own.
func (t refusal) ofCreation(named, others bool, half int) {
	a := t.a
	t.Attempts++
	t.Tried++
	t.LastError, t.NotFoundAt = a.Message, time.Time{}
	switch {
	case a.Class == TryAgain:
		t.absent()
		t.hadNoEffect()
		most := patience
		if t.Call != nil {
			most = patienceInDoubt
		}
		if !a.Throttled && t.Attempts%most == 0 {
			t.AtMost = half
		}
		t.fail()
	case named, a.Class == TagRefused:
		t.goAlone()
	default:
		if !others {
			t.AtMost = half
		}
		t.hadNoEffect()
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

// goAlone lets the incident share no call from now on.
func (t refusal) goAlone() {
	t.Group, t.LastError = "", t.a.Message
	t.hadNoEffect()
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
