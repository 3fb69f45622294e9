package remediate

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"flowkeeper/alert"
	"flowkeeper/inventory"
	"flowkeeper/remediate/incident"
)

// observed is a look at an incident's resource with what the snapshot has about it.
// exists: AWS has just said that its flow log exists already. The row is nil where the
// snapshot has none that AWS gave.
func (r *Remediator) observed(tx Tx, i Incident, l look, exists bool) (o incident.Observation, row *inventory.Row, err error) {
	o.At, o.AlreadyExists = l.at, exists
	if l.resources[i.ResourceID] {
		o.ResourceID = i.ResourceID
	}
	lost, ok, err := tx.FlowLog(i.Scope, i.FlowLogID)
	if err != nil {
		return o, nil, err
	}
	if o.Complete, err = tx.FirstRefreshed(i.Scope); err != nil {
		return o, nil, err
	}
	now := r.Now()
	if o.Restores, err = tx.Lineage(i.Scope, i.RootID, now.Add(-time.Hour)); err != nil {
		return o, nil, err
	}
	o.Restores = slices.DeleteFunc(o.Restores, func(x Incident) bool { return x.RestoredAt.After(now) }) // the clock has gone back
	for id, f := range l.found {
		if id == i.FlowLogID {
			o.Alive = true
			continue
		}
		if f.ResourceID != i.ResourceID {
			continue
		}
		other, err := r.other(tx, i, f, exists, l.at)
		if err != nil {
			return o, nil, err
		}
		o.Others = append(o.Others, other)
	}
	slices.SortFunc(o.Others, func(a, b incident.Other) int {
		return cmp.Or(a.CreatedAt.Compare(b.CreatedAt), strings.Compare(a.ID, b.ID)) // every daemon adopts the same one
	})
	if !ok || lost.Imported && !i.Requested {
		return o, nil, nil
	}
	o.InSnapshot, o.CreatedAt, o.Protected, o.Released = true, lost.CreatedAt, lost.Protected, lost.Released(i.LostAt())
	return o, &lost, nil
}

// other is a flow log that a look of a time shows beside the lost one.
func (r *Remediator) other(tx Tx, i Incident, f inventory.FlowLog, exists bool, at time.Time) (o incident.Other, err error) {
	row, known, err := tx.FlowLog(i.Scope, f.ID)
	if err != nil {
		return o, err
	}
	own, found, err := tx.Incident(i.Scope, f.ID)
	if err != nil {
		return o, err
	}
	gone := known && row.State == inventory.Gone
	if exists && at.Sub(row.GoneAt) >= r.Policy.Settle {
		gone = false // no look is as stale as that: it was taken for gone by mistake
	}
	o = incident.Other{FlowLog: f, CreatedBy: row.CreatedBy, Adoptable: !gone && !(found && (own.State == Open || own.State == Blocked))}
	o.MayExcuse, err = mayExcuse(tx, i, row)
	return o, err
}

// mayExcuse reports whether a flow log may be what replaces the incident's: no other
// loss was excused by it, and its destination was known before the wait around the
// deletion began. So whom a rule names can't send traffic to a new place by it.
func mayExcuse(tx Tx, i Incident, by inventory.Row) (bool, error) {
	if i.Action != Wait || i.Waited == 0 || by.Excuses != "" && by.Excuses != i.FlowLogID {
		return false, nil
	}
	return tx.KnownDestination(i.Scope, by.Destination(i.Scope), incident.Earlier(i.DeletedAt, by.CreatedAt).Add(-i.Waited))
}

// judge decides about an incident and records it, where no create is needed.
func (r *Remediator) judge(tx Tx, i Incident, l look, exists bool, now time.Time) error {
	if i.State != Open && i.State != Blocked {
		return nil
	}
	o, row, err := r.observed(tx, i, l, exists)
	if err != nil {
		return err
	}
	old := i
	if !i.Known && row != nil {
		i = i.FreezeSettings(*row)
		i.NextAttemptAt = now // with its resource known, the next step looks
		if err := tx.PutIncident(i); err != nil {
			return err
		}
		return r.alertOfKnown(tx, i, now)
	}
	if i.Known && !o.Covers(i) {
		i.NextAttemptAt = now // it became known, or was opened again, since the look
		return tx.PutIncident(i)
	}
	if i.Known && !o.Alive {
		i.AliveSince, i.Looks = time.Time{}, 0
		if i.AbsentAt.IsZero() {
			i.AbsentAt = now
		}
		if err := r.gone(tx, i, now); err != nil {
			return err
		}
	}
	d := incident.Decide(i, o, r.Policy, now)
	switch d.Next {
	case incident.Requeue:
		if o.Alive {
			if i.AliveSince.IsZero() {
				i.AliveSince = now
			}
			i.Looks++
		}
		i.NextAttemptAt = d.At
		return tx.PutIncident(i)
	case incident.Hold:
		i.NextAttemptAt = d.At
		return tx.PutIncident(i)
	case incident.HoldFlapping:
		return r.flapping(tx, i, o.Restores, d.At, now)
	case incident.NextToken:
		i.Generation++
		i.MismatchAt, i.NextAttemptAt = time.Time{}, now
		return tx.PutIncident(i)
	case incident.Create:
		i.NextAttemptAt = now
		return tx.PutIncident(i)
	case incident.DecoyInTheWay:
		return r.block(tx, i, inTheWay(i, d.Found), now)
	case incident.Adopt:
		return r.restored(tx, i, d.Found.FlowLog, true, now)
	}
	switch d.Reason {
	case AlertOnly:
		i.ModeOnly = r.Policy.AlertOnly
	case Replaced:
		if err := excuse(tx, i, d.Found.ID); err != nil {
			return err
		}
	}
	i.State = old.State
	return r.close(tx, i, d.Reason, d.Advice, now)
}

// excuse notes which loss a flow log has excused.
func excuse(tx Tx, i Incident, by string) error {
	row, ok, err := tx.FlowLog(i.Scope, by)
	if err != nil || !ok {
		return err
	}
	row.Excuses = i.FlowLogID
	return tx.PutFlowLog(row)
}

// inTheWay is the answer of a create that a decoy prevents.
func inTheWay(i Incident, decoy incident.Other) answer {
	a := answer{class: blocked, reason: Decoy,
		message:     decoy.ID + " is in the way",
		advice:      decoy.ID + " delivers from the same resource to the same destination, but not the same: delete it, and this one comes back",
		differences: inventory.Differences(i.Scope, i.Frozen, decoy.Settings),
	}
	if decoy.Status != "ACTIVE" {
		a.differences = append(a.differences, "status: "+cmp.Or(decoy.Status, "nothing")+" instead of ACTIVE")
	}
	if decoy.CreatedBy != "" {
		a.message += ", made by " + decoy.CreatedBy
	}
	return a
}

// close ends an incident without a restore.
func (r *Remediator) close(tx Tx, i Incident, reason, advice string, now time.Time) error {
	old := i
	i.State, i.Reason, i.Advice, i.NextAttemptAt = Closed, reason, advice, time.Time{}
	if reason == StillThere {
		if err := r.revive(tx, i, now); err != nil {
			return err
		}
	}
	if i.AwaitsRecord(now) {
		i.NextAttemptAt = i.WaitUntil
		return r.put(tx, old, i, advice, now)
	}
	if err := r.put(tx, old, i, advice, now); err != nil {
		return err
	}
	return tx.Protect(i.Scope, i.ResourceID)
}

// finish is the last step of an incident that is settled: nothing is left to do.
func (r *Remediator) finish(tx Tx, i Incident, now time.Time) error {
	if !i.Settled() {
		return nil // it was opened again meanwhile
	}
	if i.AwaitsRecord(now) { // a long drift_wait is due before its end, too
		i.NextAttemptAt = i.WaitUntil
		return tx.PutIncident(i)
	}
	i.NextAttemptAt = time.Time{}
	if err := tx.PutIncident(i); err != nil || i.State != Closed {
		return err
	}
	return tx.Protect(i.Scope, i.ResourceID)
}

// revive makes the row of a flow log that AWS shows alive live again: nothing
// but this verdict does (I5).
func (r *Remediator) revive(tx Tx, i Incident, now time.Time) error {
	row, ok, err := tx.FlowLog(i.Scope, i.FlowLogID)
	if err != nil || !ok || row.State == inventory.Live && !row.Imported {
		return err
	}
	row.State, row.GoneAt, row.WrittenAt, row.Imported = inventory.Live, time.Time{}, now, false
	return tx.PutFlowLog(row)
}

// restored records the replacement, made or adopted, and puts it into the
// snapshot in the same transaction (I6).
func (r *Remediator) restored(tx Tx, i Incident, f inventory.FlowLog, adopted bool, now time.Time) error {
	old := i
	if next, dead, err := r.dead(tx, i.Scope, f.ID); err != nil {
		return err
	} else if dead {
		return r.supersede(tx, i, f.ID, next, adopted, now)
	}
	i.State, i.Reason, i.Advice, i.LastError = Restored, "", "", ""
	i.NewID, i.Adopted, i.RestoredAt = f.ID, adopted, now
	if adopted && f.CreatedAt.Before(now) {
		i.RestoredAt = f.CreatedAt
		if from := i.DeletedAt; i.RestoredAt.Before(from) {
			i.RestoredAt = from
		}
	}
	i.NextAttemptAt = i.RestoredAt.Add(r.Policy.Settle)
	i.Attempts, i.Looks = 0, 0
	if err := r.succeed(tx, i, f, now); err != nil {
		return err
	}
	text := "recreated as " + f.ID
	if adopted {
		text = "adopted " + f.ID + ", which does the same"
	}
	return r.put(tx, old, i, text, now)
}

// dead reports whether an ID can't be the replacement: it was lost itself.
func (r *Remediator) dead(tx Tx, s inventory.Scope, id string) (Incident, bool, error) {
	next, found, err := tx.Incident(s, id)
	if err != nil {
		return next, false, err
	}
	if found && !(next.State == Closed && next.Reason == StillThere) {
		return next, true, nil
	}
	row, known, err := tx.FlowLog(s, id)
	return next, known && row.State == inventory.Gone, err
}

// succeed writes the replacement's row.
func (r *Remediator) succeed(tx Tx, i Incident, f inventory.FlowLog, now time.Time) error {
	row, ok, err := tx.FlowLog(i.Scope, f.ID)
	if err != nil {
		return err
	}
	if !ok {
		row = inventory.Row{FlowLog: f, State: inventory.Live, FirstSeenAt: now, LastSeenAt: now}
	}
	row.RootID, row.Protected, row.WrittenAt = i.RootID, true, now
	return tx.PutFlowLog(row)
}

// supersede ends an incident whose replacement was lost in turn: that one's
// own incident goes on, with the same settings and its own token. alive: AWS
// shows the replacement, so that its incident was wrong, and opens to find that.
func (r *Remediator) supersede(tx Tx, i Incident, newID string, next Incident, alive bool, now time.Time) error {
	lost := inventory.FlowLog{ID: newID, Scope: i.Scope, Settings: incident.Replacement(i), CreatedAt: now}
	if err := r.succeed(tx, i, lost, now); err != nil {
		return err
	}
	text, never := "its replacement was lost in turn", false
	if next.FlowLogID == "" {
		next = incident.New(i.Scope, newID, inventory.Row{}, false, now)
		next.Source, next.Action, next.EventID = ByDrift, Restore, "lost-"+newID
		never = !i.Confirmed && !i.Adopted
		if err := tx.PutEvent(Event{Scope: i.Scope, ID: next.EventID, Source: ByDrift, Level: alert.High, DetectedAt: now,
			DueAt: now.Add(tellDriftAfter), OverdueAt: now}); err != nil {
			return err
		}
	}
	switch {
	case !next.Known:
		next.Known, next.RootID, next.ResourceID = true, i.RootID, i.ResourceID
		next.Frozen, next.FirstSeenAt, next.LastSeenAt = lost.Settings, i.FirstSeenAt, i.RestoredAt
		next = next.Reopen(now)
		if never { // nobody has ever seen it: the same loss goes on
			next.MissingSince, next.Tried, next.ToldStuckAt = i.DarkSince(), i.Tried, i.ToldStuckAt
		}
		if err := r.reopened(tx, next, text, now); err != nil {
			return err
		}
		if err := r.alertOfKnown(tx, next, now); err != nil {
			return err
		}
	case alive, next.State == Closed && next.Reason == StillThere:
		if alive {
			text = "AWS shows its replacement, which counted as lost"
		}
		if err := r.again(tx, next, text, now); err != nil {
			return err
		}
	default:
		if err := r.openCircle(tx, next, i.FlowLogID, now); err != nil {
			return err
		}
	}
	i.NewID = newID
	return r.close(tx, i, Superseded, text+": see "+newID, now)
}

// again opens an incident of a lineage once more.
func (r *Remediator) again(tx Tx, i Incident, text string, now time.Time) error {
	return r.reopened(tx, i.Reopen(now), text, now)
}

// reopened writes an incident that was opened once more.
func (r *Remediator) reopened(tx Tx, i Incident, text string, now time.Time) error {
	if err := tx.PutIncident(i); err != nil {
		return err
	}
	if err := r.unsettle(tx, i.Scope, i.EventID, now); err != nil {
		return err
	}
	if err := r.overdueEarlier(tx, "", []Incident{i}); err != nil { // the event may have been alerted of others, for a day
		return err
	}
	return tx.AddHistory(i.Scope, i.FlowLogID, Entry{At: now, State: Open, Text: text, EventID: i.EventID})
}

// openCircle opens a lineage again that leads back to a lost flow log: each
// would count on the other.
func (r *Remediator) openCircle(tx Tx, i Incident, lostID string, now time.Time) error {
	back, found, err := circle(tx, i, lostID)
	if err != nil || !found {
		return err
	}
	return r.again(tx, back, "what it adopted was lost before: "+back.NewID, now)
}

// circle finds, in a lineage that leads back to a lost flow log, the incident
// that took an ancestor for a replacement: a stale look may have shown it alive.
func circle(tx Tx, i Incident, lostID string) (back Incident, found bool, err error) {
	for range maxLineage {
		if i.State == Open || i.State == Blocked || i.NewID == "" {
			return back, false, nil
		}
		if i.Adopted || back.FlowLogID == "" {
			back = i
		}
		if i.NewID == lostID {
			return back, true, nil
		}
		if i, found, err = tx.Incident(i.Scope, i.NewID); err != nil || !found {
			return back, false, err
		}
	}
	return back, false, nil
}

const maxLineage = 1000 // replacements followed: there are no circles, but a damaged file might have one

// verify looks whether the replacement is there and delivers.
func (r *Remediator) verify(tx Tx, i Incident, l look, now time.Time) error {
	if i.State != Restored {
		return nil
	}
	f, shown := l.found[i.NewID]
	if !shown {
		if now.Before(i.RestoredAt.Add(r.Policy.Settle)) {
			i.NextAttemptAt = i.RestoredAt.Add(r.Policy.Settle)
			return tx.PutIncident(i)
		}
		next, _, err := tx.Incident(i.Scope, i.NewID)
		if err != nil {
			return err
		}
		return r.supersede(tx, i, i.NewID, next, false, now)
	}
	old := i
	i.Confirmed, i.Attempts, i.LastError = true, 0, ""
	switch done := i.RestoredAt.Add(r.Policy.VerifyAfter); {
	case f.Failing():
		i.Reason = NotDelivering
		i.Advice = deliveryAdvice(f.DeliverLogsErrorMessage)
		i.NextAttemptAt = now.Add(15 * time.Minute)
		if err := r.tellFailing(tx, i, f, now); err != nil {
			return err
		}
		return r.put(tx, old, i, "not delivering: "+bound(f.DeliverLogsErrorMessage), now)
	case now.Before(done) || f.Status != "ACTIVE":
		i.NextAttemptAt = done
		if !now.Before(done) {
			i.NextAttemptAt = now.Add(time.Minute)
		}
		return tx.PutIncident(i)
	}
	i.State, i.Reason, i.Advice, i.VerifiedAt, i.NextAttemptAt = Verified, "", "", now, time.Time{}
	return r.put(tx, old, i, i.NewID+" is active and no failure of delivery is known", now)
}

// deliveryAdvice is what to do about DeliverLogsErrorMessage:
// https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_FlowLog.html
func deliveryAdvice(message string) string {
	s := "AWS can't deliver (" + bound(message) + "): "
	switch message {
	case "Rate limited":
		return s + "CloudWatch Logs throttles it, or the account has no room for more log groups"
	case "Unknown error":
		return s + "an error of AWS's own; ask AWS Support if it lasts"
	}
	return s + "see the destination's policy and the delivery role"
}

// tellFailing tells once that a replacement does not deliver, here or by a
// refresh, whichever sees it first.
func (r *Remediator) tellFailing(tx Tx, i Incident, f inventory.FlowLog, now time.Time) error {
	row, ok, err := tx.FlowLog(i.Scope, f.ID)
	if err != nil || !ok || row.ToldFailing {
		return err
	}
	row.DeliverLogsStatus, row.DeliverLogsErrorMessage, row.ToldFailing = f.DeliverLogsStatus, f.DeliverLogsErrorMessage, true
	if err := tx.PutFlowLog(row); err != nil {
		return err
	}
	return r.tellNotDelivering(tx, i, f.DeliverLogsErrorMessage, now)
}

// flapping holds a lineage back that is deleted again and again, and says so
// once (I9: it never gives up).
func (r *Remediator) flapping(tx Tx, i Incident, restores []Incident, at, now time.Time) error {
	told := i.FlapTold
	for _, x := range restores {
		told = told || x.FlapTold
	}
	i.Flapping, i.NextAttemptAt = true, at
	if !told {
		i.FlapTold = true
		var err error
		i, err = r.stuck(tx, i, Stuck{Kind: alert.Flapping,
			Message: fmt.Sprintf("%d restores within an hour", len(restores)),
			Advice:  fmt.Sprintf("somebody deletes it each time: stop them; Flowkeeper goes on, once per %s", r.Policy.RestoreInterval),
		}, now)
		if err != nil {
			return err
		}
	}
	return tx.PutIncident(i)
}
