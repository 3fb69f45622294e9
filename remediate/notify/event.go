package notify

import (
	"cmp"
	"slices"
	"time"

	"flowkeeper/alert"
	"flowkeeper/internal/cloudtrail"
	"flowkeeper/internal/detection"
	"flowkeeper/inventory"
	"flowkeeper/remediate/incident"
)

// newEvent is the event of a record that names flow logs of a scope, before its first alert.
// The policy's rule for the actor may set its level.
func newEvent(s inventory.Scope, f detection.Finding, p incident.Policy, now time.Time) incident.Event {
	actor := f.Actor()
	e := incident.Event{
		Scope: s, ID: f.Record.EventID, Source: incident.ByEvent,
		Level: cmp.Or(p.RuleFor(s.Account, actor.Principal()).Level, f.Rule.Level),
		Rule:  &alert.Rule{ID: f.Rule.ID, Title: f.Rule.Title},
		Actor: incident.BoundActor(actor), DeletedAt: f.Record.EventTime, DetectedAt: now,
	}
	e.Failed, e.FailedOmitted = refusedFlowLogs(f.Failed)
	return e
}

// afterDeletionAlert is the event after its deletion alert was made, with the times when the next
// alerts about its incidents are due.
func afterDeletionAlert(e incident.Event, incidents []incident.Incident, p incident.Policy, now time.Time) incident.Event {
	e.DeletionAlertedAt = now
	if len(incidents) > 0 {
		e.Deadline = now.Add(incident.NotifyRestoredAfter)
	}
	e.OverdueAt = incident.Soonest(e.OverdueAt, incident.FirstOverdue(incidents, p, now))
	owed := func(i incident.Incident) bool { return i.EventID == e.ID && i.OwesStuckAlert() } // it was another event's until now, whose alert would have named it
	if e.StuckAt.IsZero() && slices.ContainsFunc(incidents, owed) {
		e.StuckAt = now.Add(incident.NotifyStuckAfter)
	}
	return e
}

// These limit what an alert and an event keep of the IDs that AWS refused: one call can name
// a thousand, each with the same text of two kilobytes.
const (
	mostRefused  = 50
	mostMessages = 5 // different ones
)

// refusedFlowLogs are the first of the flow logs that a call named and AWS refused, and how many
// more there are. Each of AWS's messages is kept only once.
func refusedFlowLogs(all []cloudtrail.Refusal) (logs []alert.FlowLog, omitted int) {
	said := map[string]bool{}
	for _, x := range all[:min(len(all), mostRefused)] {
		f := alert.FlowLog{FlowLogID: x.FlowLogID, ErrorCode: x.Code}
		if !said[x.Message] && len(said) < mostMessages {
			f.ErrorMessage, said[x.Message] = x.Message, true
		}
		logs = append(logs, f)
	}
	return logs, len(all) - len(logs)
}
