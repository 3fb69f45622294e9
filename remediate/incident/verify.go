package incident

import "time"

// Verify checks whether the replacement of a restored incident is there and delivers.
func (c *Case) Verify(id string, o Observation) {
	i, ok := c.clamped(id)
	if !ok || i.State != Restored {
		return
	}
	f, shown := o.FlowLogs[i.NewID]
	if !shown {
		if settled := i.RestoredAt.Add(c.Policy.Settle); c.Now.Before(settled) {
			i.NextAttemptAt = wholeSecond(settled)
			c.Put(i)
			return
		}
		next, _ := c.Incident(i.NewID)
		c.supersede(i, i.NewID, next, false)
		return
	}
	i.Confirmed, i.Attempts, i.LastError = true, 0, ""
	switch done := i.RestoredAt.Add(c.Policy.VerifyAfter); {
	case f.Failing():
		i.Reason, i.Advice = NotDelivering, deliveryAdvice(f.DeliverLogsErrorMessage)
		i.NextAttemptAt = c.Now.Add(15 * time.Minute)
		if row, ok := c.Row(f.ID); ok && !row.ToldFailing { // here or by a refresh, whichever sees it first
			row.DeliverLogsStatus, row.DeliverLogsErrorMessage, row.ToldFailing = f.DeliverLogsStatus, f.DeliverLogsErrorMessage, true
			c.putRow(row)
			c.Effects.Notes = append(c.Effects.Notes, Note{Kind: NoteNotDelivering, Incident: i, Message: f.DeliverLogsErrorMessage})
		}
		c.conclude(i, "not delivering: "+Bound(f.DeliverLogsErrorMessage))
	case c.Now.Before(done) || f.Status != "ACTIVE":
		i.NextAttemptAt = wholeSecond(done)
		if !c.Now.Before(done) {
			i.NextAttemptAt = c.Now.Add(time.Minute)
		}
		c.Put(i)
	default:
		i.State, i.Reason, i.Advice, i.VerifiedAt, i.NextAttemptAt = Verified, "", "", c.Now, time.Time{}
		c.conclude(i, i.NewID+" is active and no failure of delivery is known")
	}
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
