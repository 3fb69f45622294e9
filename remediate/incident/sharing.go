package incident

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"time"

	"flowkeeper/inventory"
)

// Sharing plans the calls that create several flow logs at once, or tag them, and applies
// AWS's answers to these (docs/decisions/groups.md).
type Sharing struct{ c *Case }

// Sharing returns the methods that plan for several incidents of the case together.
func (c *Case) Sharing() Sharing { return Sharing{c} }

// Gather sets the Group of incidents whose creates may share a call. They are alike, and the
// record or the refresh of one event has just opened them, so that no create can have been sent
// for them. An incident that is unlike all others gets no Group: its create needs no note of the
// call (see Share).
func (s Sharing) Gather(eventID string, ids []string) {
	c := s.c
	alike := map[string][]Incident{}
	for _, id := range ids {
		i, found := c.Incident(id)
		if !found || i.EventID != eventID || !isFresh(c, i) {
			continue
		}
		roomForOurs := len(ownTags(i.Frozen.Tags)) < inventory.MostTags // without our tag, the policy in deploy/ allows no CreateTags
		if roomForOurs && i.Known && !i.Requested {
			key := likeness(i)
			alike[key] = append(alike[key], i)
		}
	}
	for _, key := range slices.Sorted(maps.Keys(alike)) {
		if len(alike[key]) < 2 {
			continue
		}
		for _, i := range alike[key] {
			i.Group = tagValue(eventID)
			c.Put(i)
		}
	}
}

// isFresh reports whether an incident has just been opened, for the first time, so that no
// create can have been sent for it.
func isFresh(c *Case, i Incident) bool {
	openedNow := i.State == Open && i.OpenedAt.Equal(c.Now)
	return openedNow && i.Untried && i.Call == nil
}

// tagValue is an event's ID as the value of a tag. If it does not look like an ID, it is a hash:
// it is text from outside, and AWS refuses some characters.
func tagValue(eventID string) string {
	if plainID.MatchString(eventID) {
		return eventID
	}
	sum := sha256.Sum256([]byte(eventID))
	return hex.EncodeToString(sum[:16])
}

var plainID = regexp.MustCompile(`^[\w-]{1,64}$`)

// sharesCall reports whether the create of an incident is planned by Share.
func (i Incident) sharesCall() bool { return i.Group != "" || i.Call != nil }

// Share plans the creates of those incidents for which decide answers Create by what was
// observed, in as few calls as possible, and notes each call in its incidents: the note is
// stored before the call is sent. It plans at most most calls, and none for an incident that
// has changed since it was observed.
//
// A call that was sent and not answered is in doubt: AWS may have made its flow logs. With
// the same members it is repeated as it was. Otherwise its remaining members wait until AWS must
// show what the call made, and are observed again (I4).
func (s Sharing) Share(ids []string, observed func(Incident) Observation, most int) []Creation {
	p := sharePlan{s.c, map[string]time.Time{}, map[string]*SentCall{}}
	inDoubt, free := p.due(ids, observed)
	calls, resolved := p.repeat(inDoubt)
	for _, members := range together(slices.Concat(free, resolved), createdWith) {
		calls = append(calls, chunks(members, p.c.Policy.TokenKey)...)
	}
	calls = slices.DeleteFunc(calls, func(g Creation) bool { return slices.ContainsFunc(g.Incidents, p.hasNewCall) })
	calls = calls[:min(len(calls), most)]
	p.note(calls)
	return calls
}

// sharePlan is what Share knows of the incidents that it plans calls for.
type sharePlan struct {
	c          *Case
	observedAt map[string]time.Time // by flow log
	callBefore map[string]*SentCall // the Call of the incident before Share, by flow log
}

// due are the incidents for which decide answers Create: those whose call is in doubt, and those that are free to
// share a new one.
func (p sharePlan) due(ids []string, observed func(Incident) Observation) (inDoubt, free []Incident) {
	for _, id := range ids {
		stored, _ := p.c.Incident(id)
		p.callBefore[id] = stored.Call
		t, ok := p.c.begin(id)
		if !ok || !t.Pending() {
			continue
		}
		o := observed(t.Incident)
		if p.c.decideAfter(t.Incident, o).Next != Create {
			continue
		}
		p.observedAt[id] = Earlier(o.At, p.c.Now) // the clock may have gone back
		if t.Call != nil {
			inDoubt = append(inDoubt, t.Incident)
		} else {
			free = append(free, t.Incident)
		}
	}
	return inDoubt, free
}

// repeat returns the calls in doubt that are repeated as they were. free are the incidents of other calls that have
// made nothing.
func (p sharePlan) repeat(inDoubt []Incident) (calls []Creation, free []Incident) {
	for _, members := range together(inDoubt, func(i Incident) string { return i.Call.Token }) {
		again := newCreation(members, p.c.Policy.TokenKey)
		first := again.Incidents[0]
		mayRepeat := !first.Call.Final && len(members) <= mostMembers(first)
		if mayRepeat && again.Token == first.Call.Token {
			calls = append(calls, again)
			continue
		}
		for _, i := range members {
			if p.hasNewCall(i) { // the next step plans it
				continue
			}
			if i, madeNothing := p.resolveDoubt(i); madeNothing {
				free = append(free, i)
			}
		}
	}
	return calls, free
}

// hasNewCall reports whether another incident has handed on its call to this one since Share began.
func (p sharePlan) hasNewCall(i Incident) bool {
	now, _ := p.c.Incident(i.FlowLogID)
	return now.Call != p.callBefore[i.FlowLogID]
}

// note notes each call in its incidents.
func (p sharePlan) note(calls []Creation) {
	for _, g := range calls {
		for _, i := range g.Incidents {
			sent := SentCall{Token: g.Token, At: p.c.Now}
			if i.Call != nil && i.Call.Token == g.Token {
				sent.Before = i.Call.At
			}
			i.Call = &sent
			p.c.Put(i)
		}
	}
}

// resolveDoubt decides about an incident whose call in doubt is not repeated. madeNothing: the observation shows that the
// call made nothing, and the returned incident may be created anew. Otherwise the incident goes on, or is observed later.
func (p sharePlan) resolveDoubt(i Incident) (_ Incident, madeNothing bool) {
	c, observed := p.c, p.observedAt[i.FlowLogID]
	t := &transition{i, c}
	if row, lost := c.place(i.ResourceID).madeAndLost(i); lost {
		t.takeReplacement(row.FlowLog, fromAnswer) // the incident of that flow log goes on
		return i, false
	}
	if i.Call.showsBy(c.Policy).After(observed) {
		t.dueAt(i.Call.observeAt(c.Policy, c.Now))
		return i, false
	}
	i.NothingMadeAt = observed
	return p.withFreshToken(i), true
}

// withFreshToken is an incident whose call in doubt has made nothing. It gets another token, because
// with that call's token AWS would repeat its answer. If another incident has handed on the call, the
// call had another token, and the incident keeps its own: a call with that may have been sent, too, and
// only the same token makes no second flow log (I4).
func (p sharePlan) withFreshToken(i Incident) Incident {
	c := p.c
	if handedOn := i.Group == "" && i.Call.Token != c.Policy.TokenKey.Token(i); handedOn {
		return i
	}
	i.Generation++
	if i.RandomToken != "" {
		i.RandomToken = c.randomToken(i)
	}
	return i
}

// createdWith is equal for incidents that may share a create.
func createdWith(i Incident) string {
	if i.Group != "" {
		return likeness(i)
	}
	return i.FlowLogID
}

// together groups incidents by a key, in the order of the first incident of each group.
func together(incidents []Incident, key func(Incident) string) (groups [][]Incident) {
	position := map[string]int{} // in groups, by key
	for _, i := range incidents {
		k := key(i)
		n, seen := position[k]
		if !seen {
			n = len(groups)
			position[k], groups = n, append(groups, nil)
		}
		groups[n] = append(groups[n], i)
	}
	return groups
}

// chunks are the calls for incidents that are alike: none has more resources than AWS takes,
// or one of them twice.
func chunks(members []Incident, key TokenKey) (calls []Creation) {
	for len(members) > 0 {
		var now, later []Incident
		taken := map[string]bool{}
		for _, i := range members {
			if len(now) == mostMembers(i) || taken[i.ResourceID] {
				later = append(later, i)
				continue
			}
			taken[i.ResourceID] = true
			now = append(now, i)
		}
		calls, members = append(calls, newCreation(now, key)), later
	}
	return calls
}

// likeness is equal for incidents of one group whose creates differ in nothing but resource,
// tags and token.
func likeness(i Incident) string {
	in := CreateInput(i, "")
	in.ClientToken, in.ResourceIds, in.TagSpecifications = nil, nil, nil
	b, err := json.Marshal(in)
	if err != nil {
		return "" // parameters are plain texts and numbers
	}
	sum := sha256.Sum256(fmt.Appendf(b, "\n%s\n%d", i.Group, i.AtMost))
	return hex.EncodeToString(sum[:16])
}

// The CallKeys of different kinds of calls begin differently: of CreateTags calls, of creates that were
// sent, and of creates to come. The store tells the kinds apart by that.
const (
	TagsCalls   = "tags "
	SentCalls   = "call "
	callsToCome = "like "
)

// CallKey is equal for the incidents that may share one call, or already do: a create that was
// sent, a create to come, or a CreateTags call. Empty: it shares none.
func (i Incident) CallKey() string {
	switch {
	case i.State == Restored && len(i.MissingTags) > 0 && i.Attempts == 0:
		return TagsCalls + tagsDigest(i.MissingTags)
	case i.Pending() && i.Call != nil:
		return SentCalls + i.Call.Token
	case i.Pending() && i.Known && i.Group != "":
		return callsToCome + likeness(i)
	}
	return ""
}
