package remediate

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"flowkeeper/alert"
	"flowkeeper/inventory"
)

// sight gathers what decide needs to know about one incident. asked: AWS has
// just said that its flow log exists already.
func (r *Remediator) sight(tx Tx, i Incident, l look, asked bool) (sight, *inventory.Row, error) {
	s := sight{asked: asked}
	row, ok, err := tx.FlowLog(i.Scope, i.FlowLogID)
	if err != nil {
		return s, nil, err
	}
	if s.listed, err = tx.FirstRefreshed(i.Scope); err != nil {
		return s, nil, err
	}
	now := r.Now()
	if s.restores, err = tx.Lineage(i.Scope, i.RootID, now.Add(-time.Hour)); err != nil {
		return s, nil, err
	}
	s.restores = slices.DeleteFunc(s.restores, func(x Incident) bool { return x.RestoredAt.After(now) }) // the clock has gone back
	creators, bad, excuses := map[string]string{}, map[string]bool{}, map[string]bool{}
	for id, f := range l.found {
		if id == i.FlowLogID {
			s.alive = true
			continue
		}
		if f.ResourceID != i.ResourceID {
			continue
		}
		s.others = append(s.others, f)
		other, known, err := tx.FlowLog(i.Scope, id)
		if err != nil {
			return s, nil, err
		}
		in, found, err := tx.Incident(i.Scope, id)
		if err != nil {
			return s, nil, err
		}
		creators[id] = other.CreatedBy
		if excuses[id], err = mayExcuse(tx, i, other); err != nil {
			return s, nil, err
		}
		gone := known && other.State == inventory.Gone
		if asked && l.at.Sub(other.GoneAt) >= r.Policy.Settle {
			gone = false // no look is as stale as that: it was taken for gone by mistake
		}
		bad[id] = gone || found && (in.State == Open || in.State == Blocked)
	}
	slices.SortFunc(s.others, func(a, b inventory.FlowLog) int {
		return cmp.Or(a.CreatedAt.Compare(b.CreatedAt), strings.Compare(a.ID, b.ID)) // every daemon adopts the same one
	})
	s.adoptive = func(id string) bool { return !bad[id] }
	s.creator = func(id string) string { return creators[id] }
	s.excuses = func(id string) bool { return excuses[id] }
	if !ok || row.Imported && !i.Requested {
		return s, nil, nil
	}
	s.row, s.made, s.guarded, s.released = true, row.CreatedAt, row.Protected, row.Released(i.lostAt())
	return s, &row, nil
}

// mayExcuse reports whether a flow log may be what replaces the incident's: no other
// loss was excused by it, and its destination was known before the wait around the
// deletion began. So whom a rule names can't send traffic to a new place by it.
func mayExcuse(tx Tx, i Incident, by inventory.Row) (bool, error) {
	if i.Action != Wait || i.Waited == 0 || by.Excuses != "" && by.Excuses != i.FlowLogID {
		return false, nil
	}
	return tx.KnownDestination(i.Scope, by.Destination(i.Scope), earlier(i.DeletedAt, by.CreatedAt).Add(-i.Waited))
}

// judge decides about an incident and records it, where no create is needed.
func (r *Remediator) judge(tx Tx, i Incident, l look, asked bool, now time.Time) error {
	if i.State != Open && i.State != Blocked {
		return nil
	}
	s, row, err := r.sight(tx, i, l, asked)
	if err != nil {
		return err
	}
	old := i
	if !i.Known && row != nil {
		i = i.know(*row)
		i.NextAttemptAt = now // with its resource known, the next step looks
		if err := tx.PutIncident(i); err != nil {
			return err
		}
		return r.alertOfKnown(tx, i, now)
	}
	if i.Known && !s.alive {
		i.AliveSince, i.Looks = time.Time{}, 0
		if i.AbsentAt.IsZero() {
			i.AbsentAt = now
		}
		if err := r.gone(tx, i, now); err != nil {
			return err
		}
	}
	v := decide(i, s, r.Policy, now)
	switch v.deed {
	case again:
		if s.alive {
			if i.AliveSince.IsZero() {
				i.AliveSince = now
			}
			i.Looks++
		}
		i.NextAttemptAt = v.at
		return tx.PutIncident(i)
	case hold:
		i.NextAttemptAt = v.at
		return tx.PutIncident(i)
	case flap:
		return r.flapping(tx, i, s.restores, v.at, now)
	case nextToken:
		i.Generation++
		i.MismatchAt, i.NextAttemptAt = time.Time{}, now
		return tx.PutIncident(i)
	case creating:
		i.NextAttemptAt = now
		return tx.PutIncident(i)
	case decoyed:
		return r.block(tx, i, inTheWay(i, v.found, s.creator(v.found.ID)), now)
	case adopting:
		return r.restored(tx, i, v.found, true, now)
	}
	switch v.reason {
	case AlertOnly:
		i.ModeOnly = r.Policy.AlertOnly
	case Replaced:
		if err := excuse(tx, i, v.found.ID); err != nil {
			return err
		}
	}
	i.State = old.State
	return r.close(tx, i, v.reason, v.advice, now)
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
func inTheWay(i Incident, decoy inventory.FlowLog, by string) answer {
	a := answer{class: blocked, reason: Decoy,
		message:     decoy.ID + " is in the way",
		advice:      decoy.ID + " delivers from the same resource to the same destination, but not the same: delete it, and this one comes back",
		differences: inventory.Differences(i.Scope, i.Frozen, decoy.Settings),
	}
	if decoy.Status != "ACTIVE" {
		a.differences = append(a.differences, "status: "+cmp.Or(decoy.Status, "nothing")+" instead of ACTIVE")
	}
	if by != "" {
		a.message += ", made by " + by
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
	if i.awaitsRecord(now) {
		i.NextAttemptAt = i.WaitUntil
		return r.put(tx, old, i, advice, now)
	}
	if err := r.put(tx, old, i, advice, now); err != nil {
		return err
	}
	return tx.Protect(i.Scope, i.ResourceID)
}

// awaitsRecord reports whether a record may still open a closed incident again: its
// flow log was released when it was last seen, and only the record says when it was
// deleted. Until then, what stands in its place may be a decoy.
func (i Incident) awaitsRecord(now time.Time) bool {
	return i.State == Closed && i.Reason == Released && i.Source == ByDrift && now.Before(i.WaitUntil)
}

// finish is the last step of an incident that is settled: nothing is left to do.
func (r *Remediator) finish(tx Tx, i Incident, now time.Time) error {
	if !i.Settled() {
		return nil // it was opened again meanwhile
	}
	if i.awaitsRecord(now) { // a long drift_wait is due before its end, too
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
	lost := inventory.FlowLog{ID: newID, Scope: i.Scope, Settings: replacement(i), CreatedAt: now}
	if err := r.succeed(tx, i, lost, now); err != nil {
		return err
	}
	text, never := "its replacement was lost in turn", false
	if next.FlowLogID == "" {
		next = newIncident(i.Scope, newID, inventory.Row{}, false, now)
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
		next = next.reopen(now)
		if never { // nobody has ever seen it: the same loss goes on
			next.MissingSince, next.Tried, next.ToldStuckAt = i.missingSince(), i.Tried, i.ToldStuckAt
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
	return r.reopened(tx, i.reopen(now), text, now)
}

// reopened writes an incident that was opened once more.
func (r *Remediator) reopened(tx Tx, i Incident, text string, now time.Time) error {
	if err := tx.PutIncident(i); err != nil {
		return err
	}
	if err := r.unsettle(tx, i.Scope, i.EventID, now); err != nil {
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
