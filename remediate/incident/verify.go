package incident

import (
	"maps"
	"slices"
	"time"

	"flowkeeper/inventory"
)

// Verify checks whether the replacement of a restored incident is there and delivers.
func (c *Case) Verify(id string, o Observation) {
	t, ok := c.begin(id)
	if !ok || t.State != Restored {
		return
	}
	if f, shown := o.FlowLogs[t.NewID]; shown {
		if !o.At.Before(t.RestoredAt.Add(c.Policy.Settle)) {
			c.place(t.ResourceID).protectShown(o.FlowLogs)
		}
		t.verify(f)
		return
	}
	if shownBy := t.RestoredAt.Add(c.Policy.Settle); c.Now.Before(shownBy) {
		t.dueAt(wholeSecond(shownBy))
		return
	}
	next, _ := c.Incident(t.NewID)
	t.supersede(t.NewID, next, false)
}

// verify records how AWS shows the replacement.
func (t *transition) verify(f inventory.FlowLog) {
	now, done := t.c.Now, t.RestoredAt.Add(t.c.Policy.VerifyAfter)
	t.Confirmed, t.Attempts, t.LastError = true, 0, ""
	missing := missingTags(t.Frozen.Tags, f.Tags)
	maps.DeleteFunc(missing, func(k, _ string) bool { _, there := f.Tags[k]; return there }) // somebody has changed it since
	if len(missing) == 0 {
		t.MissingTags = nil
		if t.Reason == NotTagged {
			t.Reason, t.Advice = "", ""
		}
	}
	switch {
	case f.Failing():
		t.notDelivering(f)
	case (!t.Adopted || isRestored(f)) && len(missing) > 0 && t.TagRounds < mostTagRounds:
		t.tagAgain(missing)
	case !t.tagsSettled(f):
		t.dueAt(wholeSecond(t.TaggedAt.Add(t.c.Policy.Settle)))
	case now.Before(done):
		t.dueAt(wholeSecond(done))
	case f.Status != "ACTIVE":
		t.dueAt(now.Add(time.Minute))
	default:
		t.State, t.Reason, t.Advice, t.VerifiedAt, t.NextAttemptAt = Verified, "", "", now, time.Time{}
		t.putWithHistory(t.NewID + " is active and no failure of delivery is known")
	}
}

// mostTagRounds is how often CreateTags is called for one replacement: somebody who takes its
// tags away again and again does not keep it from being verified for ever.
const mostTagRounds = 5

// tagAgain makes CreateTags due for a replacement that AWS shows without all of its tags: after
// an earlier CreateTags only once AWS must show what that has set.
func (t *transition) tagAgain(missing map[string]string) {
	now := t.c.Now
	if shows := t.TaggedAt.Add(t.c.Policy.Settle); !t.TaggedAt.IsZero() && now.Before(shows) {
		t.dueAt(wholeSecond(shows))
		return
	}
	t.MissingTags = missing
	t.dueAt(now)
}

// tagsSettled reports whether AWS has shown all tags of a replacement for so long that no
// stale listing shows fewer. The row needs to keep them no more then.
func (t *transition) tagsSettled(f inventory.FlowLog) bool {
	row, ok := t.c.Row(f.ID)
	if !ok || row.OwnTags == nil {
		return true
	}
	if t.TaggedAt.IsZero() {
		t.TaggedAt = t.c.Now // another daemon may have set them
	}
	if t.c.Now.Before(t.TaggedAt.Add(t.c.Policy.Settle)) {
		return false
	}
	row.FlowLog, row.OwnTags = f, nil
	t.c.putRow(row)
	return true
}

// ApplyTags records AWS's answer to a CreateTags call for the missing tags of restored
// incidents; a zero Answer: AWS has set them. jitter, in [0, 1), spreads the next attempt.
func (c *Case) ApplyTags(tagged []Incident, a Answer, jitter float64) {
	namesOne := slices.ContainsFunc(tagged, func(i Incident) bool { return names(a.Message, i.NewID) })
	for _, i := range tagged {
		t, ok := c.begin(i.FlowLogID)
		switch {
		case !ok || t.State != Restored || t.NewID != i.NewID || len(t.MissingTags) == 0: // another step was faster, or the replacement is lost
		case a.Class == Created:
			t.tagged()
		case namesOne && !names(a.Message, i.NewID):
			t.dueAt(c.Now) // once more, without the one that AWS refuses
		default:
			t.tagsRefused(a, len(tagged) > 1, jitter)
		}
	}
}

// tagged records that AWS has set all tags.
func (t *transition) tagged() {
	c := t.c
	t.MissingTags, t.TaggedAt, t.TagRounds, t.Attempts, t.LastError = nil, c.Now, t.TagRounds+1, 0, ""
	if t.Reason == NotTagged {
		t.Reason, t.Advice = "", ""
	}
	t.dueAt(wholeSecond(Later(t.RestoredAt, c.Now).Add(c.Policy.Settle)))
}

// tagsRefused sets the time of the next attempt, which is for this incident alone: AWS may have
// refused a shared call because of another one. If waiting does not help, it notes that for
// an alert.
func (t *transition) tagsRefused(a Answer, shared bool, jitter float64) {
	t.LastError = a.Message
	t.Tried++
	again := t.c.Now.Add(attempts.Jittered(t.Tried, jitter))
	if a.Class == TryAgain {
		t.dueAt(again)
		return
	}
	t.Attempts++
	if notYetThere := a.Class == ResourceAbsent; notYetThere || shared {
		t.dueAt(again)
		return
	}
	if t.Reason != NotTagged {
		t.Reason, t.Advice = NotTagged, a.Advice
		t.c.Effects.Notes = append(t.c.Effects.Notes, Note{Kind: NoteNotTagged, Incident: t.Incident, Message: a.Message})
	}
	t.NextAttemptAt = t.c.Now.Add(blockedAttempts.Pause(t.Attempts))
	t.putWithHistory("its own tags are not all there: " + a.Message)
}

// notDelivering records that AWS can't deliver what the replacement records, and notes it
// once: here or by a refresh, whichever sees it first.
func (t *transition) notDelivering(f inventory.FlowLog) {
	message := f.DeliverLogsErrorMessage
	t.Reason, t.Advice = NotDelivering, deliveryAdvice(message)
	t.NextAttemptAt = t.c.Now.Add(15 * time.Minute)
	if row, ok := t.c.Row(f.ID); ok && !row.FailingAlerted {
		row.DeliverLogsStatus, row.DeliverLogsErrorMessage, row.FailingAlerted = f.DeliverLogsStatus, message, true
		t.c.putRow(row)
		t.c.Effects.Notes = append(t.c.Effects.Notes, Note{Kind: NoteNotDelivering, Incident: t.Incident, Message: message})
	}
	t.putWithHistory("not delivering: " + Bound(message))
}

// deliveryAdvice is what to do about DeliverLogsErrorMessage:
// https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_FlowLog.html
func deliveryAdvice(message string) string {
	s := "AWS can't deliver (" + Bound(message) + "): "
	switch message {
	case "Rate limited":
		return s + "CloudWatch Logs throttles it, or the account has no room for more log groups"
	case "Unknown error":
		return s + "an error of AWS's own; ask AWS Support if it lasts"
	}
	return s + "see the destination's policy and the delivery role"
}
