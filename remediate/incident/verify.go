package incident

import (
	"maps"
	"time"

	"flowkeeper/inventory"
)

// verify checks whether the replacement of a restored incident is there and delivers.
func (c *Case) verify(id string, o Observation) {
	t, ok := c.begin(id)
	if !ok || t.State != Restored {
		return
	}
	shownBy := t.RestoredAt.Add(c.Policy.ConsistencyWindow)
	isOldEnough := !Earlier(o.At, c.Now).Before(shownBy) // then a flow log that AWS does not show is not there
	switch f, shown := o.FlowLogs[t.NewID]; {
	case shown:
		if isOldEnough {
			c.place(t.ResourceID).protectShown(t.Frozen, o.FlowLogs)
		}
		t.verify(f)
	case !isOldEnough:
		t.dueAt(wholeSecond(Later(shownBy, c.Now)))
	default:
		next, _ := c.Incident(t.NewID)
		t.supersede(t.NewID, next, false)
	}
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
	ours := hasOurTags(t.Incident, f)
	switch {
	case f.Failing():
		t.noteNotDelivering(f)
	case ours && len(missing) > 0 && t.TagRounds < mostTagRounds:
		tagging{t}.setMissing(missing)
	case !tagging{t}.shownLongEnough(f):
		t.dueAt(wholeSecond(t.TaggedAt.Add(t.c.Policy.ConsistencyWindow)))
	case now.Before(done):
		t.dueAt(wholeSecond(done))
	case f.Status != "ACTIVE":
		t.dueAt(now.Add(time.Minute))
	default:
		t.State, t.Reason, t.Advice, t.VerifiedAt, t.NextAttemptAt = Verified, "", "", now, time.Time{}
		if ours {
			t.Advice = tagsAdvice(t.Frozen.Tags, f.Tags)
		}
		t.putWithHistory(t.NewID + " is active and no failure of delivery is known")
	}
}

// noteNotDelivering records that AWS can't deliver what the replacement records. It notes that for an
// alert, unless a refresh has already seen it.
func (t *transition) noteNotDelivering(f inventory.FlowLog) {
	message := f.DeliverLogsErrorMessage
	t.Reason, t.Advice = NotDelivering, deliveryAdvice(message)
	t.NextAttemptAt = t.c.Now.Add(15 * time.Minute)
	if row, ok := t.c.Row(f.ID); ok && !row.FailingAlerted {
		row.DeliverLogsStatus, row.DeliverLogsErrorMessage, row.FailingAlerted = f.DeliverLogsStatus, message, true
		t.c.putRowAndNotice(row)
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
