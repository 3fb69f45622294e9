package incident

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"flowkeeper/alert"
	"flowkeeper/inventory"
)

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

// tagsSetLater are the own tags of a replacement that a create for several incidents made: CreateTags
// has set, or is to set, some of them. nil: a create for this incident alone has set all.
func tagsSetLater(i Incident, f inventory.FlowLog) map[string]string {
	own := ownTags(i.Frozen.Tags)
	if !isRestored(f) || f.Tags[RestoredFrom] == i.FlowLogID || len(own) == 0 {
		return nil
	}
	return own
}

// isRestored reports whether a flow log says that a Flowkeeper made it: this daemon, or
// another on the same queue. Its own tags may still be missing.
func isRestored(f inventory.FlowLog) bool { return f.Tags[RestoredFrom] != "" }

// mayHaveMade reports whether an incident's call in doubt may have made a flow log: then the flow log is the
// replacement, even if it is lost by now.
func mayHaveMade(i Incident, f inventory.FlowLog) bool { return i.Call != nil && isRestored(f) }

// diedCreating reports whether this daemon may have made a flow log for an incident alone, and died before the answer was
// on disk. Another daemon may have made it as well: then both alert people of the loss.
func diedCreating(c *Case, i Incident, f inventory.FlowLog) bool {
	_, lost := c.wasLost(f.ID)
	return i.OpenedAt.Before(c.StartedAt) && f.Tags[RestoredFrom] == i.FlowLogID && !lost
}

// hasOurTags reports whether an incident's replacement is to have the tags of the lost flow log. A flow log that
// somebody else made keeps the tags that its maker wants.
func hasOurTags(i Incident, f inventory.FlowLog) bool { return !i.Adopted || isRestored(f) }

// LacksTags reports whether CreateTags is to be called for the incident's replacement. atOnce:
// it may be called without an observation, because the create was just answered. Later, or after
// a refusal, an observation must first show that the replacement is still there.
func (i Incident) LacksTags(p Policy, now time.Time) (lacks, atOnce bool) {
	lacks = i.State == Restored && len(i.MissingTags) > 0
	return lacks, lacks && i.Attempts == 0 && now.Before(i.RestoredAt.Add(p.ConsistencyWindow))
}

// stillLacks reports whether AWS shows the replacement without a tag that it is to get: a person
// may have set them by hand, where AWS refuses that to Flowkeeper.
func (i Incident) stillLacks(f inventory.FlowLog) bool {
	return missingTags(i.MissingTags, f.Tags) != nil
}

// TagBatches are the incidents of each CreateTags call for those that lack tags: one for all that lack the
// same, as long as AWS has refused none of them.
func TagBatches(incidents []Incident) [][]Incident {
	var calls [][]Incident
	for _, alike := range together(incidents, func(i Incident) string { return cmp.Or(i.CallKey(), i.FlowLogID) }) {
		calls = slices.AppendSeq(calls, slices.Chunk(alike, mostTagged))
	}
	return calls
}

// mostTagged is how many resources one CreateTags call takes:
// https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_CreateTags.html
const mostTagged = 1000

func tagsDigest(tags map[string]string) string {
	h := sha256.New()
	for _, k := range slices.Sorted(maps.Keys(tags)) {
		fmt.Fprintf(h, "%q=%q\n", k, tags[k])
	}
	return hex.EncodeToString(h.Sum(nil)[:16])
}

// ApplyTags records AWS's answer to a CreateTags call for the missing tags of restored
// incidents. jitter, in [0, 1), spreads the next attempt.
func (s Sharing) ApplyTags(tagged []Incident, a Answer, jitter float64) {
	c := s.c
	namesOne := slices.ContainsFunc(tagged, func(i Incident) bool { return names(a.Message, i.NewID) })
	for _, i := range tagged {
		t, ok := c.begin(i.FlowLogID)
		isCurrent := ok && t.State == Restored && t.NewID == i.NewID
		switch {
		case !isCurrent || len(t.MissingTags) == 0: // another step was faster, or the replacement is lost
		case a.Class == Succeeded:
			tagging{t}.done()
		case namesOne && !names(a.Message, i.NewID):
			t.dueAt(c.Now) // once more, without the one that AWS refuses
		default:
			tagging{t}.applyRefusal(a, len(tagged) > 1, jitter)
		}
	}
}

// tagging is the transition of an incident whose replacement lacks tags, or has just got them.
type tagging struct{ *transition }

// done records that AWS has set all tags.
func (t tagging) done() {
	c := t.c
	t.MissingTags, t.TaggedAt, t.TagRounds, t.Attempts, t.LastError = nil, c.Now, t.TagRounds+1, 0, ""
	if t.Reason == NotTagged {
		t.Reason, t.Advice = "", ""
	}
	t.dueAt(wholeSecond(Later(t.RestoredAt, c.Now).Add(c.Policy.ConsistencyWindow)))
}

// applyRefusal sets the time of the next attempt, which is for this incident alone: AWS may have
// refused a shared call because of another one. If waiting does not help, it notes that for
// an alert.
func (t tagging) applyRefusal(a Answer, shared bool, jitter float64) {
	t.LastError = a.Message
	t.Tried++
	next := t.c.Now.Add(attempts.Jittered(t.Tried, jitter))
	if a.Class == TryAgain {
		t.dueAt(next)
		return
	}
	t.Attempts++
	if notYetThere := a.Class == ResourceAbsent; notYetThere || shared {
		t.dueAt(next)
		return
	}
	if t.Reason != NotTagged {
		t.Reason, t.Advice = NotTagged, a.Advice
		t.c.Effects.Notes = append(t.c.Effects.Notes, Note{Kind: NoteNotTagged, Incident: t.Incident, Message: a.Message})
	}
	t.NextAttemptAt = t.c.Now.Add(blockedAttempts.Pause(t.Attempts))
	t.putWithHistory("its own tags are not all there: " + a.Message)
}

// mostTagRounds is how often CreateTags sets the tags of one replacement: a person who removes
// them again and again must not prevent for ever that it is verified.
const mostTagRounds = 5

// setMissing makes CreateTags due for a replacement that AWS shows without all of its tags. After
// an earlier CreateTags it waits until AWS must show the tags that this has set.
func (t tagging) setMissing(missing map[string]string) {
	now := t.c.Now
	if shows := t.TaggedAt.Add(t.c.Policy.ConsistencyWindow); !t.TaggedAt.IsZero() && now.Before(shows) {
		t.dueAt(wholeSecond(shows))
		return
	}
	t.MissingTags = missing
	t.dueAt(now)
}

// tagsAdvice says which own tags of the lost flow log its replacement does not have, or has with
// another value; empty: none.
func tagsAdvice(lost, have map[string]string) string {
	var missing, changed []string
	for _, k := range slices.Sorted(maps.Keys(missingTags(lost, have))) {
		if _, there := have[k]; there {
			changed = append(changed, k)
		} else {
			missing = append(missing, k)
		}
	}
	var parts []string
	if len(missing) > 0 {
		parts = append(parts, keysAre(missing, " is missing", " are missing"))
	}
	if len(changed) > 0 {
		parts = append(parts, keysAre(changed, " has another value", " have other values"))
	}
	if len(parts) == 0 {
		return ""
	}
	return "not all of its tags are as they were (" + strings.Join(parts, "; ") + "): " + tagsWereChanged
}

const tagsWereChanged = "somebody has changed them since. Set them by hand (aws ec2 create-tags), or leave them so"

// keysAre says something of the keys of some tags, the first of which it names.
func keysAre(keys []string, one, several string) string {
	const most, longest = 5, 40
	var named []string
	for _, k := range keys[:min(len(keys), most)] {
		named = append(named, alert.Clean(k, longest))
	}
	s := strings.Join(named, ", ")
	if more := len(keys) - len(named); more > 0 {
		s += fmt.Sprintf(" and %d more", more)
	}
	if len(keys) == 1 {
		return s + one
	}
	return s + several
}

// shownLongEnough reports whether AWS has shown all tags of a replacement for so long that no
// stale listing shows fewer. Then the row need not keep them (Row.OwnTags).
func (t tagging) shownLongEnough(f inventory.FlowLog) bool {
	row, ok := t.c.Row(f.ID)
	if !ok || row.OwnTags == nil {
		return true
	}
	if t.TaggedAt.IsZero() {
		t.TaggedAt = t.c.Now // another daemon may have set them
	}
	if t.c.Now.Before(t.TaggedAt.Add(t.c.Policy.ConsistencyWindow)) {
		return false
	}
	row.FlowLog, row.OwnTags = f, nil
	t.c.putRowAndNotice(row)
	return true
}
