package incident

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/ec2"

	"flowkeeper/inventory"
)

// Creation is one CreateFlowLogs call: for one incident, or for several of one event whose
// calls are equal but for resource and tags. Its members and their order are fixed: others
// make another call, with another token.
type Creation struct {
	Incidents []Incident // by flow log ID; at least one
	Token     string
}

// SentCall is a CreateFlowLogs call that was, or may have been, sent for an incident and of
// which no answer is stored.
type SentCall struct {
	Token  string
	At     time.Time // when it was last sent, or was about to be
	Before time.Time // when it may have been sent before that; zero: never
	Final  bool      // it is not repeated: AWS has answered it, or has refused a repeat
}

// SendWithin is how soon after it was noted a call is sent, if at all: else what it makes would
// show later than is reckoned.
const SendWithin = 5 * time.Second

// doneWithin is how soon after it was noted AWS has done a call: it may take AWS as long as
// the daemon waits for the answer.
const doneWithin = SendWithin + 25*time.Second

// showsBy is the time from which on every observation shows what the call made.
func (s SentCall) showsBy(p Policy) time.Time { return s.At.Add(doneWithin + p.Settle) }

// observeAt is when to observe again whether the call made something: 1, 2, 4, 8 seconds after
// it, then every 15 seconds.
func (s SentCall) observeAt(p Policy, now time.Time) time.Time {
	pause := min(max(now.Sub(s.At), time.Second), 15*time.Second)
	return Earlier(now.Add(pause), Later(s.showsBy(p), now))
}

// newCreation is the call for some incidents.
func newCreation(incidents []Incident, key TokenKey) Creation {
	slices.SortFunc(incidents, func(a, b Incident) int { return strings.Compare(a.FlowLogID, b.FlowLogID) })
	first := incidents[0]
	if len(incidents) == 1 {
		return Creation{incidents, key.Token(first)}
	}
	of := []string{first.Group}
	for _, i := range incidents {
		of = append(of, fmt.Sprintf("%s %d", i.FlowLogID, i.Generation))
	}
	return Creation{incidents, key.sign(first.Scope, len(incidents), of...)}
}

// Input returns the call's parameters. A call for several has the tags that all of them share;
// the other tags of each follow by CreateTags.
func (g Creation) Input() *ec2.CreateFlowLogsInput {
	if len(g.Incidents) == 1 {
		return CreateInput(g.Incidents[0], g.Token)
	}
	first := g.Incidents[0]
	shared := ownTags(first.Frozen.Tags)
	in := CreateInput(first, g.Token)
	in.ResourceIds = nil
	for _, i := range g.Incidents {
		in.ResourceIds = append(in.ResourceIds, i.ResourceID)
		own := ownTags(i.Frozen.Tags)
		maps.DeleteFunc(shared, func(k, v string) bool { have, ok := own[k]; return !ok || have != v })
	}
	if from := first.Group; len(shared) < maxTags && from != "" {
		shared[RestoredFrom] = from
	}
	in.TagSpecifications = tagSpecifications(shared)
	return in
}

// most is how many resources one call takes (docs/aws.md, "Creating flow logs").
func most(s inventory.Settings) int {
	if s.TransitGateway() {
		return 25
	}
	return MostResources
}

// mostTogether is how many incidents may share a call with this one.
func (i Incident) mostTogether() int {
	if i.AtMost > 0 {
		return min(i.AtMost, most(i.Frozen))
	}
	return most(i.Frozen)
}

// MostResources is how many resources one CreateFlowLogs call takes; of transit gateways
// and their attachments it takes fewer.
const MostResources = 300

// likeness is equal for incidents of one group whose creates differ in nothing but resource,
// tags and token.
func (i Incident) likeness() string {
	in := CreateInput(i, "")
	in.ClientToken, in.ResourceIds, in.TagSpecifications = nil, nil, nil
	b, err := json.Marshal(in)
	if err != nil {
		return "" // parameters are plain texts and numbers
	}
	sum := sha256.Sum256(fmt.Appendf(b, "\n%s\n%d", i.Group, i.AtMost))
	return hex.EncodeToString(sum[:16])
}

// CallKey is equal for the incidents that may share one call, or already do: a create that was
// sent, a create to come, or a CreateTags call. Empty: it shares none.
func (i Incident) CallKey() string {
	switch {
	case i.State == Restored && len(i.MissingTags) > 0 && i.Attempts == 0:
		return "tags " + tagsDigest(i.MissingTags)
	case i.Pending() && i.Call != nil:
		return "call " + i.Call.Token
	case i.State == Open && i.Known && i.Group != "":
		return "like " + i.likeness()
	}
	return ""
}

func tagsDigest(tags map[string]string) string {
	h := sha256.New()
	for _, k := range slices.Sorted(maps.Keys(tags)) {
		fmt.Fprintf(h, "%q=%q\n", k, tags[k])
	}
	return hex.EncodeToString(h.Sum(nil)[:16])
}

// LacksTags reports whether CreateTags is to be called for the incident's replacement, and
// whether that may be done at once: soon after the create. Later, or after a refusal, an
// observation must show first that the replacement is still there.
func (i Incident) LacksTags(p Policy, now time.Time) (lacks, atOnce bool) {
	lacks = i.State == Restored && len(i.MissingTags) > 0
	return lacks, lacks && i.Attempts == 0 && now.Before(i.RestoredAt.Add(p.Settle))
}

// StillLacks reports whether AWS shows the replacement without a tag that it is to get: a person
// may have set them by hand, where AWS refuses that to Flowkeeper.
func (i Incident) StillLacks(f inventory.FlowLog) bool {
	return missingTags(i.MissingTags, f.Tags) != nil
}

// SharedTags are the CreateTags calls for incidents that lack tags: one for all that lack the
// same, as long as AWS has refused none of them.
func SharedTags(incidents []Incident) [][]Incident {
	var calls [][]Incident
	for _, alike := range together(incidents, func(i Incident) string { return cmp.Or(i.CallKey(), i.FlowLogID) }) {
		calls = slices.AppendSeq(calls, slices.Chunk(alike, mostTagged))
	}
	return calls
}

// mostTagged is how many resources one CreateTags call takes:
// https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_CreateTags.html
const mostTagged = 1000

// Gather marks the incidents whose creates may share a call: of those that the record or the
// refresh of an event has just opened, so that no create can have been sent for them, the ones
// that are alike. One that is alone of its kind is not marked: its create needs no trace (see
// Share).
func (c *Case) Gather(eventID string, ids []string) {
	if len(ids) < 2 {
		return
	}
	alike := map[string][]Incident{}
	for _, id := range ids {
		i, ok := c.Incident(id)
		untried := ok && i.Untried && i.OpenedAt.Equal(c.Now) && i.Call == nil
		roomForOurs := len(ownTags(i.Frozen.Tags)) < maxTags // without our tag, the policy in deploy/ allows no CreateTags
		if untried && roomForOurs && i.State == Open && i.Known && i.EventID == eventID && !i.Requested {
			key := i.likeness()
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

// tagValue is an event's ID as the value of a tag: as it is, where it looks like one, for it is
// text from outside, and AWS refuses some characters.
func tagValue(eventID string) string {
	if plainID.MatchString(eventID) {
		return eventID
	}
	sum := sha256.Sum256([]byte(eventID))
	return hex.EncodeToString(sum[:16])
}

var plainID = regexp.MustCompile(`^[\w-]{1,64}$`)

// Shares reports whether the create of an incident is planned by Share.
func (i Incident) Shares() bool { return i.Group != "" || i.Call != nil }

// Share plans the creates of those incidents for which Decide answers Create by what was
// observed, in as few calls as possible, and notes each call in its incidents: the note is
// stored before the call is sent. It plans at most most calls, and none for an incident that
// has changed since it was observed.
//
// A call that was sent and not answered is in doubt: AWS may have made its flow logs. With
// the same members it is repeated as it was. Else those that are left wait until what it
// made would show, and are observed again (I4).
func (c *Case) Share(ids []string, observed func(Incident) Observation, most int) (calls []Creation) {
	var sent, free []Incident
	at := map[string]time.Time{} // of the observation, by flow log
	for _, id := range ids {
		t, ok := c.begin(id)
		if !ok || !t.Pending() {
			continue
		}
		o := observed(t.Incident)
		if c.Decide(t.Incident, o).Next != Create {
			continue
		}
		at[id] = Earlier(o.At, c.Now) // the clock may have gone back
		if t.Call != nil {
			sent = append(sent, t.Incident)
		} else {
			free = append(free, t.Incident)
		}
	}
	for _, members := range together(sent, func(i Incident) string { return i.Call.Token }) {
		again, mayRepeat := newCreation(members, c.Policy.TokenKey), !members[0].Call.Final && len(members) <= members[0].mostTogether()
		if mayRepeat && again.Token == members[0].Call.Token {
			calls = append(calls, again)
			continue
		}
		for _, i := range members {
			if row, lost := c.place(i.ResourceID).madeAndLost(i); lost {
				t := &transition{i, c}
				t.restored(row.FlowLog, false, false) // that one's own incident goes on
			} else if i.Call.showsBy(c.Policy).After(at[i.FlowLogID]) {
				i.NextAttemptAt = i.Call.observeAt(c.Policy, c.Now)
				c.Put(i)
			} else {
				i.NothingMadeAt = at[i.FlowLogID]
				i.Generation++ // with that call's token AWS would repeat that call's answer
				if i.RandomToken != "" {
					i.RandomToken = c.randomToken(i)
				}
				free = append(free, i)
			}
		}
	}
	for _, members := range together(free, Incident.createdWith) {
		calls = append(calls, chunks(members, c.Policy.TokenKey)...)
	}
	calls = calls[:min(len(calls), most)]
	for _, g := range calls {
		for _, i := range g.Incidents {
			sent := SentCall{Token: g.Token, At: c.Now}
			if i.Call != nil && i.Call.Token == g.Token {
				sent.Before = i.Call.At
			}
			i.Call = &sent
			c.Put(i)
		}
	}
	return calls
}

// createdWith is equal for incidents that one create may be for.
func (i Incident) createdWith() string {
	if i.Group != "" && i.State == Open {
		return i.likeness()
	}
	return i.FlowLogID
}

// together are incidents by a key, in the order of their first.
func together(incidents []Incident, key func(Incident) string) (groups [][]Incident) {
	place := map[string]int{}
	for _, i := range incidents {
		k := key(i)
		n, seen := place[k]
		if !seen {
			n = len(groups)
			place[k], groups = n, append(groups, nil)
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
			if len(now) == i.mostTogether() || taken[i.ResourceID] {
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

// CreationAnswer is AWS's answer to a call for several incidents.
type CreationAnswer struct {
	Refused *Answer                      // the call as a whole; nil: AWS did some of it at least
	Items   map[string]Answer            // by resource: what AWS did not make
	Made    map[string]inventory.FlowLog // by resource: the flow logs that it answered, as far as AWS shows them
}

// ApplyCreation records AWS's answer to a call for several incidents. jitter, in [0, 1),
// spreads the next attempt. It is the same for all of them, because the same call may have
// to be repeated.
func (c *Case) ApplyCreation(g Creation, a CreationAnswer, jitter float64) {
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
		if !ok || !t.Pending() || t.Call == nil || t.Call.Token != g.Token {
			continue // another step, or a command, was faster: what was made all the same, a refresh finds
		}
		made, shown := a.Made[t.ResourceID]
		item, refused := a.Items[t.ResourceID]
		switch {
		case a.Refused != nil:
			t.creationRefused(*a.Refused, named[t.FlowLogID], len(named) > 0, (len(g.Incidents)+1)/2, jitter)
		case refused && item.Fails():
			t.Group = ""
			t.put()
			c.ApplyAnswer(t.FlowLogID, item, Observation{}, jitter)
		case refused:
			t.goAlone(item) // the next step observes first, and sees what is in the way
		case shown && made.ID == t.FlowLogID: // no success: it is gone
			t.goAlone(Answer{Message: lostOnesID + made.ID, NoEffect: true})
		case shown:
			t.Attempts, t.Tried, t.NotFoundAt = t.Attempts+1, t.Tried+1, time.Time{}
			t.absent()
			t.Call = nil // it is answered
			t.restored(made, false, true)
		default:
			sent := *t.Call
			sent.Final, t.Call = true, &sent
			t.dueAt(sent.observeAt(c.Policy, c.Now)) // AWS has made it, and does not show it yet
		}
	}
}

// creationRefused records that AWS refused a call for several as a whole, which says nothing
// about one of them. If waiting may help, the call is repeated. If not, the ones that AWS
// named go alone, and the others share a new call. Where it named none, or waiting has not
// helped for long, half of them share a call: the half without the one that is the cause
// is back then. Where AWS refuses the tags, each goes alone, with all of its own.
func (t *transition) creationRefused(a Answer, named, others bool, half int, jitter float64) {
	t.Attempts++
	t.Tried++
	t.LastError, t.NotFoundAt = a.Message, time.Time{}
	switch {
	case a.Class == TryAgain:
		t.absent()
		t.hadNoEffect(a)
		if !a.Throttled && t.Attempts%patience == 0 {
			t.AtMost = half
		}
		t.fail(a, jitter)
	case named, a.Class == TagRefused:
		t.goAlone(a)
	default:
		if !others {
			t.AtMost = half
		}
		t.hadNoEffect(a)
		t.dueAt(t.c.Now)
	}
}

// patience is after how many failures in a row that pass by themselves a group is halved: one
// member may be why.
const patience = 3

// goAlone lets the incident share no call from now on.
func (t *transition) goAlone(a Answer) {
	t.Group, t.LastError = "", a.Message
	t.hadNoEffect(a)
	t.dueAt(t.c.Now)
}

// hadNoEffect notes that AWS refused a call, and made nothing by it. If the call may have been
// sent before, it stays in doubt: AWS may have refused the repeat because of what it made
// the first time.
func (t *transition) hadNoEffect(a Answer) {
	switch {
	case t.Call == nil || !a.NoEffect:
	case t.Call.Before.IsZero():
		t.Call = nil
	default:
		t.Call = &SentCall{Token: t.Call.Token, At: t.Call.Before, Final: a.Class != TryAgain}
	}
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

// ownTags are the tags of a flow log that a person or a program gave it: not AWS's
// (aws:…), which nobody can set, nor ours.
func ownTags(tags map[string]string) map[string]string {
	out := map[string]string{}
	for k, v := range tags {
		if !strings.HasPrefix(k, "aws:") && k != RestoredFrom {
			out[k] = v
		}
	}
	return out
}

// missingTags are the own tags of the lost flow log that its replacement lacks, or has
// with another value; nil: none.
func missingTags(lost, have map[string]string) map[string]string {
	missing := ownTags(lost)
	maps.DeleteFunc(missing, func(k, v string) bool { is, ok := have[k]; return ok && is == v })
	if len(missing) == 0 {
		return nil
	}
	return missing
}

// tagsApart are the own tags of a replacement that a create for several incidents made, so that
// CreateTags sets some of them, or has. nil: a create for it alone set them.
func tagsApart(i Incident, f inventory.FlowLog) map[string]string {
	own := ownTags(i.Frozen.Tags)
	if !isRestored(f) || f.Tags[RestoredFrom] == i.FlowLogID || len(own) == 0 {
		return nil
	}
	return own
}

// isStale reports whether a flow log was made in an incident's place by an earlier call: later
// observations have shown that it is gone by now. Clocks may differ by half of settle.
func (i Incident) isStale(f inventory.FlowLog, settle time.Duration) bool {
	return isRestored(f) && f.CreatedAt.Before(i.NothingMadeAt.Add(-settle/2))
}

// isRestored reports whether a flow log says that a Flowkeeper made it: this daemon, or
// another on the same queue. Its own tags may still be missing.
func isRestored(f inventory.FlowLog) bool { return f.Tags[RestoredFrom] != "" }
