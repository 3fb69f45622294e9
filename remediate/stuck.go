package remediate

import (
	"slices"
	"strconv"
	"time"

	"flowkeeper/alert"
)

const (
	// tellStuckAfter is when people hear at the latest that something is stuck:
	// one alert tells what an event came to, however many flow logs it names.
	tellStuckAfter = 30 * time.Second
	// tellStuckAgainAfter is so for what comes after the first alert: another
	// reason, or a reminder. Each of them may be found at another try.
	tellStuckAgainAfter = 16 * time.Minute
	// remindWith is from when on an incident is told again together with
	// another whose time has come.
	remindWith = remindAfter - time.Hour
)

// stuck notes that people are to hear of an incident that is blocked or held
// back. Without an event to tell it with, they hear at once.
func (r *Remediator) stuck(tx Tx, i Incident, why Stuck, now time.Time) (Incident, error) {
	i.Stuck, i.ToldStuckAt = &why, time.Time{}
	e, ok, err := tx.Event(i.Scope, i.EventID)
	switch {
	case err != nil:
		return i, err
	case !ok:
		i.ToldStuckAt = now
		return i, r.tellStuckOf(tx, eventOf(i), why.Kind, []Incident{i}, now)
	case e.StuckAt.IsZero():
		e.StuckAt = now.Add(tellStuckAfter)
		if e.StuckTold {
			e.StuckAt = now.Add(tellStuckAgainAfter)
		}
		return i, tx.PutEvent(e)
	}
	return i, nil
}

// tellStuck tells of all incidents of an event that are stuck and of which
// people have not heard, or not for long: one alert a kind.
func (r *Remediator) tellStuck(tx Tx, e Event, now time.Time) error {
	all, err := tx.EventIncidents(e.Scope, e.ID, false)
	if err != nil {
		return err
	}
	for _, kind := range []alert.Kind{alert.Decoy, alert.Blocked, alert.Flapping} {
		var told []Incident
		for _, i := range all {
			if i.Stuck == nil || i.Stuck.Kind != kind || !i.stillStuck() || now.Sub(i.ToldStuckAt) < remindWith {
				continue
			}
			told = append(told, i)
			i.ToldStuckAt = now
			if kind == alert.Flapping {
				i.Stuck = nil // told once
			}
			if err := tx.PutIncident(i); err != nil {
				return err
			}
		}
		if len(told) == 0 {
			continue
		}
		if err := r.tellStuckOf(tx, e, kind, told, now); err != nil {
			return err
		}
	}
	return nil
}

// stillStuck reports whether there is something to tell yet: that a lineage
// flaps is, though it is back by now.
func (i Incident) stillStuck() bool { return i.State == Blocked || i.Stuck.Kind == alert.Flapping }

func (r *Remediator) tellStuckOf(tx Tx, e Event, kind alert.Kind, incidents []Incident, now time.Time) error {
	e.Level = alert.Critical
	parts := []string{strconv.FormatInt(now.UnixMilli(), 10)}
	for _, i := range incidents {
		parts = append(parts, i.FlowLogID, i.Reason)
	}
	a := r.newAlert(e, kind, now, parts...)
	a.Rule = nil
	a.FlowLogs = slices.Grow(a.FlowLogs, len(incidents))
	for n, f := range flowLogs(incidents) {
		why := incidents[n].Stuck
		f.ErrorMessage, f.DifferencesFound = why.Message, why.Differences
		if why.Advice != "" {
			f.Advice = why.Advice
		}
		a.FlowLogs = append(a.FlowLogs, f)
	}
	return add(tx, a)
}
