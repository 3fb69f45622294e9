package notify

import (
	"slices"
	"strconv"
	"strings"
	"time"

	"flowkeeper/alert"
	"flowkeeper/remediate/incident"
)

// RestoredAlert says which flow logs of an event are back. due is false if all of them were
// back before the event was alerted: the alert of an earlier event has said so.
func RestoredAlert(e incident.Event, incidents []incident.Incident, now time.Time) (a alert.Alert, due bool) {
	due = slices.ContainsFunc(incidents, func(i incident.Incident) bool { return i.EventID == e.ID || i.RestoredAt.After(e.DeletionAlertedAt) })
	return endAlert(e, alert.Restored, incidents, now), due
}

// ClosedAlert says that nothing is left to do about an event. campaignOpen says that other
// deletions of its campaign are not closed yet.
func ClosedAlert(e incident.Event, incidents []incident.Incident, campaignOpen bool, now time.Time) alert.Alert {
	a := endAlert(e, alert.Closed, incidents, now)
	a.Level, a.CampaignOpen = alert.Informational, campaignOpen
	return a
}

// endAlert is an alert about the end of an event.
func endAlert(e incident.Event, kind alert.Kind, incidents []incident.Incident, now time.Time) alert.Alert {
	var opened strings.Builder // part of the ID: an event that was reopened has another alert of its end
	for _, at := range []time.Time{e.DeletionAlertedAt, e.ReopenedAt} {
		if !at.IsZero() {
			opened.WriteString(strconv.FormatInt(at.UnixMilli(), 10) + " ")
		}
	}
	a := eventAlert(e, kind, now, opened.String(), idsOf(incidents))
	a.Level, a.RouteLevel, a.Rule, a.FlowLogs = alert.Low, e.Level, nil, FlowLogs(incidents)
	adopted, known, critical := true, false, e.StuckAlerted
	for _, i := range incidents {
		adopted = adopted && (i.Adopted || i.NewID == "")
		known = known || i.Known
		critical = critical || !i.StuckAlertedAt.IsZero() || i.Flapping
	}
	if critical {
		a.RouteLevel = alert.Critical // a pager that has opened an incident must also resolve it
	}
	if e.Level == alert.Informational || adopted && e.Source == incident.ByDrift {
		a.Level = alert.Informational
	}
	a.Minor = e.Unknown && !known
	return a
}
