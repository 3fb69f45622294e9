package notify

import (
	"cmp"
	"slices"
	"strconv"
	"strings"
	"time"

	"flowkeeper/alert"
	"flowkeeper/internal/detection"
	"flowkeeper/inventory"
	"flowkeeper/remediate/incident"
)

// eventAlert is an alert about an event, without flow logs. Its ID depends only on the kind,
// the event and the details, so that an alert that is made again has the same ID.
func eventAlert(e incident.Event, kind alert.Kind, now time.Time, details ...string) alert.Alert {
	return alert.Alert{
		ID:       alert.ID(append([]string{string(kind), e.Scope.String(), e.ID}, details...)...),
		DedupKey: alert.DedupKey(e.Scope.String(), e.ID), CampaignID: e.CampaignID,
		Time: alert.Time{Time: now}, Kind: kind, Level: e.Level, Rule: e.Rule,
		Account: e.Scope.Account, Region: e.Scope.Region, EventID: e.ID, Source: e.Source, Actor: e.Actor, DeletedAt: alert.At(e.DeletedAt),
	}
}

// deletionAlert is the alert that the flow logs of an event are gone. raisedBy are the facts
// that have raised the level of the event.
func deletionAlert(e incident.Event, incidents []incident.Incident, raisedBy []string, now time.Time) alert.Alert {
	var details []string
	if e.Source == incident.ByEvent { // a forged record with the same event ID can't suppress this alert (I2)
		details = []string{idsOf(incidents), incident.ClaimOf(e.Actor, e.DeletedAt)}
	}
	a := eventAlert(e, alert.Deletion, now, details...)
	a.RaisedBy, a.FlowLogs, a.FailedFlowLogs, a.FailedOmitted = raisedBy, FlowLogs(incidents), e.Failed, e.FailedOmitted
	return a
}

// idsOf are the sorted IDs of the incidents' flow logs, in one text.
func idsOf(incidents []incident.Incident) string {
	ids := make([]string, 0, len(incidents))
	for _, i := range incidents {
		ids = append(ids, i.FlowLogID)
	}
	slices.Sort(ids)
	return strings.Join(ids, ",")
}

// FlowLogs are incidents as an alert shows them, in the same order.
func FlowLogs(incidents []incident.Incident) []alert.FlowLog {
	out := make([]alert.FlowLog, 0, len(incidents))
	for _, i := range incidents {
		f := FlowLog(i.Scope, i.FlowLogID, i.RootID, i.Frozen)
		f.ResourceID, f.State, f.Reason, f.Advice, f.NewFlowLogID = i.ResourceID, string(i.State), string(i.Reason), i.Advice, i.NewID
		if i.Action == incident.Wait && i.State == incident.Open {
			f.NextAttemptAt = alert.At(i.WaitUntil)
		}
		if s, ok := i.BlindSeconds(); ok {
			f.BlindSeconds = &s
		}
		out = append(out, f)
	}
	return out
}

// FlowLog is one flow log as an alert about its scope shows it. root is the ID of the first
// flow log of its lineage.
func FlowLog(s inventory.Scope, id, root string, settings inventory.Settings) alert.FlowLog {
	f := alert.FlowLog{FlowLogID: id, ResourceID: settings.ResourceID, Destination: settings.Destination(s), LogFormat: settings.LogFormat, Tags: settings.Tags}
	if root != id {
		f.RootFlowLogID = root
	}
	return f
}

// FindingAlert is an alert about one record that has no event. Its ID depends only on what
// the record claims and the details.
func FindingAlert(f detection.Finding, kind alert.Kind, now time.Time, details ...string) alert.Alert {
	actor, rec := f.Actor(), f.Record
	s := inventory.Scope{Account: rec.Account, Region: rec.Region}
	return alert.Alert{
		ID:       alert.ID(append([]string{string(kind), s.String(), rec.EventID, rec.EventName, incident.ClaimOf(&actor, rec.EventTime)}, details...)...),
		DedupKey: alert.DedupKey(s.String(), rec.EventID+" "+string(kind)),
		Time:     alert.Time{Time: now}, Kind: kind, Level: f.Rule.Level, Rule: &alert.Rule{ID: f.Rule.ID, Title: f.Rule.Title},
		Account: rec.Account, Region: rec.Region, EventID: rec.EventID, Source: incident.ByEvent, Actor: &actor, EventTime: alert.At(rec.EventTime),
	}
}

// ScopeAlert is an alert about a scope and rows of its snapshot, without an event. It sorts
// rows by ID.
func ScopeAlert(s inventory.Scope, kind alert.Kind, level alert.Level, rows []inventory.Row, now time.Time) alert.Alert {
	about := string(kind) + "-" + strconv.FormatInt(now.UnixMilli(), 10)
	a := alert.Alert{
		ID:       alert.ID(about, string(level), s.String()),
		DedupKey: alert.DedupKey(s.String(), about),
		Time:     alert.Time{Time: now}, Kind: kind, Level: level, Account: s.Account, Region: s.Region,
	}
	slices.SortFunc(rows, func(x, y inventory.Row) int { return cmp.Compare(x.ID, y.ID) })
	for _, row := range rows {
		f := FlowLog(s, row.ID, row.RootID, row.Settings)
		f.CreatedBy = row.CreatedBy
		if kind == alert.Pipeline {
			f.ErrorMessage = row.DeliverLogsErrorMessage
		}
		a.FlowLogs = append(a.FlowLogs, f)
	}
	return a
}

// NotStored is the form of an alert that is sent without the outbox, because the state file
// can't be written. It has an ID of its own, because its text differs from that of the alert
// which is stored later. Both have the same dedup key, and so the same incident at a pager.
func NotStored(a alert.Alert) alert.Alert {
	a.ID, a.NotStored, a.CampaignID = alert.ID("not stored", a.ID), true, ""
	a.Write()
	return a
}
