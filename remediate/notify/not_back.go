package notify

import (
	"slices"
	"strconv"
	"time"

	"flowkeeper/alert"
	"flowkeeper/remediate/incident"
)

// NotBackAlerts are the alerts about incidents of an event that are stuck or overdue, and what follows from them.
type NotBackAlerts struct {
	Event     incident.Event      // with the times when the next such alerts are due
	Incidents []incident.Incident // those that change
	Alerts    []alert.Alert       // one of each kind, about all incidents of it
}

// NamedNotBack are the incidents that an alert of now about what is not back names, unless they are not to
// be restored: those that are stuck for a reason that no alert has given, those that are
// overdue, and those whose last alert is at least remindWith old.
func NamedNotBack(incidents []incident.Incident, p incident.Policy, now time.Time) (named []incident.Incident) {
	for _, i := range incidents {
		if i = i.ClampTimes(now, p); isNamedNotBack(i, p, now) {
			named = append(named, i)
		}
	}
	return named
}

func isNamedNotBack(i incident.Incident, p incident.Policy, now time.Time) bool {
	if i.OwesStuckAlert() {
		return true
	}
	at := i.OverdueAt(p)
	if at.IsZero() {
		return false
	}
	again := !i.StuckAlertedAt.IsZero() && now.Sub(i.StuckAlertedAt) >= remindWith
	return again || !at.After(now)
}

// remindWith is how old the last alert about an incident must be, so that an alert about
// another incident of the event also names this one again.
const remindWith = incident.RemindAfter - time.Hour

// EvaluateNotBack makes the alerts about the incidents of the event that are stuck or overdue, of which the case has
// those that are in [NamedNotBack]. It leaves out those that are not to be restored. They are checked again
// after [incident.OverdueAfter], because they may be protected by then. tried: their scope has a client, so that
// restores are tried.
func (o Owed) EvaluateNotBack(incidents []incident.Incident, c *incident.Case, tried bool) NotBackAlerts {
	e, p, now := o.Event, c.Policy, c.Now
	n := NotBackAlerts{Event: e}
	n.Event.StuckAt, n.Event.OverdueAt = time.Time{}, time.Time{}
	byKind := map[alert.Kind][]incident.Incident{}
	for _, was := range incidents {
		i := was.ClampTimes(now, p)
		named := isNamedNotBack(i, p, now)
		if named && c.Foresee(i) != "" {
			n.Event.OverdueAt = incident.Soonest(n.Event.OverdueAt, now.Add(incident.OverdueAfter))
			continue
		}
		if named {
			var why incident.Stuck
			i, why = noticed(i, now)
			shown := i
			shown.Stuck = &why
			byKind[why.Kind] = append(byKind[why.Kind], shown)
		}
		if named || isClamped(was, i) {
			n.Incidents = append(n.Incidents, i)
		}
		n.Event.OverdueAt = incident.Soonest(n.Event.OverdueAt, i.OverdueAt(p))
	}
	for _, kind := range []alert.Kind{alert.Decoy, alert.Blocked, alert.Flapping} {
		if len(byKind[kind]) > 0 {
			n.Event.StuckAlerted = true
			a := notBackAlert(e, kind, byKind[kind], now)
			if !tried {
				a = notTried(a)
			}
			n.Alerts = append(n.Alerts, a)
		}
	}
	// Until all incidents are over, this event stays due, even if the incidents belong to another event, which alerts of
	// them. Old lines of their history may be dropped, so that they no longer name this event: then nothing else would close it.
	if !o.Tally.over() {
		n.Event = withOverdueTime(n.Event, now)
	}
	return n
}

// noticed is an incident after an alert has named it, and the reason that the alert gives
// why it is not back.
func noticed(i incident.Incident, now time.Time) (incident.Incident, incident.Stuck) {
	why := i.Why()
	if i.OwesStuckAlert() && i.Stuck.Kind == alert.Flapping {
		why = *i.Stuck
		i.Stuck = nil // flapping is alerted only once, and even if the flow log is back by now
	}
	i.StuckNews, i.StuckAlertedAt = false, now
	return i, why
}

// isClamped reports whether i has other times than was from which it is counted when an incident is overdue: the clock
// went back. They must be saved, because otherwise the incident would be overdue later with each evaluation.
func isClamped(was, i incident.Incident) bool {
	times := func(i incident.Incident) []time.Time {
		return []time.Time{i.OpenedAt, i.MissingSince, i.RestoredAt, i.StuckAlertedAt, i.WaitUntil}
	}
	return !slices.EqualFunc(times(was), times(i), time.Time.Equal)
}

// notBackAlert is the alert about incidents whose reasons, which are in their Stuck, have
// the same kind.
func notBackAlert(e incident.Event, kind alert.Kind, incidents []incident.Incident, now time.Time) alert.Alert {
	details := []string{strconv.FormatInt(now.UnixMilli(), 10)}
	for _, i := range incidents {
		details = append(details, i.FlowLogID, string(i.Reason))
	}
	a := eventAlert(e, kind, now, details...)
	a.Level, a.Rule, a.FlowLogs = alert.Critical, nil, FlowLogs(incidents)
	for n := range a.FlowLogs {
		f, i := &a.FlowLogs[n], incidents[n]
		f.ErrorMessage, f.DifferencesFound = i.Stuck.Message, i.Stuck.Differences
		if i.Stuck.Advice != "" {
			f.Advice = i.Stuck.Advice
		}
		f.NextAttemptAt = nil
		if !i.Missing() {
			continue
		}
		f.Attempts = i.Tried
		if !i.NextAttemptAt.IsZero() {
			f.NextAttemptAt = alert.At(incident.Later(i.NextAttemptAt, now))
		}
	}
	return a
}

// notTried is the form of an alert about flow logs that are not back if their scope has no
// client, so that no restore is tried.
func notTried(a alert.Alert) alert.Alert {
	a.Cause = "nothing is tried: this account and Region are no longer configured, or AWS can't be reached"
	a.Advice = "add it again under accounts or inventory.regions. If the flow log is no longer needed, run `flowkeeper inventory release ID`"
	for n := range a.FlowLogs {
		a.FlowLogs[n].NextAttemptAt = nil
	}
	return a
}
