package remediate

import (
	"slices"
	"strconv"
	"time"

	"flowkeeper/alert"
	"flowkeeper/remediate/incident"
	"flowkeeper/remediate/notify"
)

// remindWith is from when on an incident is told again together with
// another whose time has come.
const remindWith = incident.RemindAfter - time.Hour

// stuck notes that people are to hear of an incident that is blocked or held
// back. An event that is not remembered is made anew, to tell it and its end with.
func (r *Remediator) stuck(tx Tx, i Incident, now time.Time) error {
	e, ok, err := tx.Event(i.Scope, i.EventID)
	if err != nil {
		return err
	}
	if !ok {
		e = eventOf(i)
		e.DetectedAt, e.ToldDeletion, e.Level = now, now, alert.High
	}
	if !ok || e.StuckAt.IsZero() {
		e.StuckAt = now.Add(incident.NotifyStuckAfter)
		if e.StuckTold {
			e.StuckAt = now.Add(incident.NotifyStuckAgainAfter)
		}
		return tx.PutEvent(e)
	}
	return nil
}

// tellStuck tells of all incidents of an event that are stuck for a reason of which
// people have not heard, or not back for too long, or not told of for a day: one
// alert a kind. It returns the event with when it is to be called again.
func (r *Remediator) tellStuck(tx Tx, e Event, now time.Time) (Event, error) {
	all, err := tx.EventIncidents(e.Scope, e.ID, false)
	if err != nil {
		return e, err
	}
	_, ours := r.Fleet.EC2(e.Scope)
	told, excused := map[alert.Kind][]Incident{}, false
	for n, i := range all {
		i = i.ClampTimes(now, r.Policy)
		overdue := i.OverdueAt(r.Policy)
		due := !overdue.IsZero() && (!overdue.After(now) || !i.ToldStuckAt.IsZero() && now.Sub(i.ToldStuckAt) >= remindWith)
		if !due && !i.PendingNotice() {
			if was := all[n]; i.OpenedAt.Before(was.OpenedAt) || i.MissingSince.Before(was.MissingSince) || i.ToldStuckAt.Before(was.ToldStuckAt) || i.WaitUntil.Before(was.WaitUntil) {
				if err := tx.PutIncident(i); err != nil { // the clock went back: it counts from now on
					return e, err
				}
			}
			all[n] = i
			continue
		}
		if allowed, err := r.mayStayAway(tx, i, now); err != nil {
			return e, err
		} else if allowed {
			all[n], excused = Incident{}, true
			continue
		}
		why := i.Why()
		if i.PendingNotice() && i.Stuck.Kind == alert.Flapping {
			why = *i.Stuck
			i.Stuck = nil // told once, though it may be back by now
		}
		i.StuckNews, i.ToldStuckAt = false, now
		if err := tx.PutIncident(i); err != nil {
			return e, err
		}
		all[n] = i
		i.Stuck = &why
		told[why.Kind] = append(told[why.Kind], i)
	}
	for _, kind := range []alert.Kind{alert.Decoy, alert.Blocked, alert.Flapping} {
		if len(told[kind]) == 0 {
			continue
		}
		e.StuckTold = true
		if err := r.tellStuckOf(tx, e, kind, told[kind], ours, now); err != nil {
			return e, err
		}
	}
	e.StuckAt, e.OverdueAt = time.Time{}, incident.FirstOverdue(all, r.Policy)
	if excused {
		e.OverdueAt = incident.Soonest(e.OverdueAt, now.Add(incident.OverdueAfter)) // it may be protected again by then
	}
	return e, nil
}

// mayStayAway reports whether nothing would be created for an incident if a look
// answered: it is released, exempt, or only to be told of. That AWS refuses looks is
// another matter, which the refresh tells.
func (r *Remediator) mayStayAway(tx Tx, i Incident, now time.Time) (bool, error) {
	if i.State != Open && i.State != Blocked {
		return false, nil
	}
	c, err := r.load(tx, i.Scope, incident.Part{IDs: []string{i.FlowLogID}}, now)
	if err != nil {
		return false, err
	}
	return c.DecideAbsent(i).Next == incident.Close, nil
}

func (r *Remediator) tellStuckOf(tx Tx, e Event, kind alert.Kind, incidents []Incident, ours bool, now time.Time) error {
	e.Level = alert.Critical
	parts := []string{strconv.FormatInt(now.UnixMilli(), 10)}
	for _, i := range incidents {
		parts = append(parts, i.FlowLogID, i.Reason)
	}
	a := notify.EventAlert(e, kind, now, parts...)
	a.Rule = nil
	if !ours {
		a.Cause, a.Advice = notTried, notTriedAdvice
	}
	a.FlowLogs = slices.Grow(a.FlowLogs, len(incidents))
	for n, f := range notify.FlowLogs(incidents) {
		i := incidents[n]
		f.ErrorMessage, f.DifferencesFound = i.Stuck.Message, i.Stuck.Differences
		if i.Stuck.Advice != "" {
			f.Advice = i.Stuck.Advice
		}
		f.NextAttemptAt = nil
		if i.Missing() {
			f.Attempts = i.Tried
		}
		if ours && i.Missing() && !i.NextAttemptAt.IsZero() {
			f.NextAttemptAt = &alert.Time{Time: incident.Later(i.NextAttemptAt, now)}
		}
		a.FlowLogs = append(a.FlowLogs, f)
	}
	return add(tx, a)
}
