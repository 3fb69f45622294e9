package sink

import (
	"cmp"
	"context"
	"log/slog"
	"slices"

	"flowkeeper/alert"
)

// Log is the sink that is always there. It writes one line for each alert, so that the
// journal has all alerts even if no other sink is configured.
type Log struct{ log *slog.Logger }

// NewLog returns the log sink.
func NewLog(log *slog.Logger) *Log { return &Log{log} }

// loggedIDs limits how many flow logs a line names; the state file has all.
const loggedIDs = 20

// Send writes the line. It never returns an error: a log that can't be written can't report
// that either.
func (l *Log) Send(ctx context.Context, a alert.Alert) error {
	attrs := []slog.Attr{
		slog.String("alert", a.ID), slog.String("kind", string(a.Kind)), slog.String("severity", string(a.Level)),
	}
	add := func(key, value string) {
		if value != "" {
			attrs = append(attrs, slog.String(key, value))
		}
	}
	add("account", a.Account)
	add("account_name", a.AccountName)
	add("region", a.Region)
	add("event", a.EventID)
	add("campaign", a.CampaignID)
	add("source", a.Source)
	if a.DeletedAt != nil {
		add("deleted_at", a.DeletedAt.String())
	}
	if a.Actor != nil {
		add("actor", a.Actor.Name())
		add("source_identity", a.Actor.SourceIdentity)
		add("web_identity", a.Actor.WebIdentity)
		add("source_ip", a.Actor.SourceIP)
		add("mfa", a.Actor.MFAWords())
	}
	attrs = addIDs(attrs, "flow_logs", a.FlowLogs)
	attrs = addIDs(attrs, "failed_flow_logs", a.FailedFlowLogs)
	add("cause", a.Cause)
	advice := a.Advice
	if logs := slices.Concat(a.FlowLogs, a.FailedFlowLogs); len(logs) > 0 { // the others mostly have the same, and the state file has them all
		add("outcome", logs[0].Outcome(a))
		advice = cmp.Or(advice, logs[0].Advice)
	}
	add("advice", advice)
	l.log.LogAttrs(ctx, logLevel(a.Level), a.Title, attrs...)
	return nil
}

func addIDs(attrs []slog.Attr, key string, logs []alert.FlowLog) []slog.Attr {
	if len(logs) == 0 {
		return attrs
	}
	var ids []string
	for _, f := range logs[:min(len(logs), loggedIDs)] {
		ids = append(ids, f.FlowLogID)
	}
	attrs = append(attrs, slog.Any(key, ids))
	if more := len(logs) - len(ids); more > 0 {
		attrs = append(attrs, slog.Int(key+"_more", more))
	}
	return attrs
}

// logLevel is the log level for an alert's level. Alerts that should wake people are errors,
// which no log.level hides.
func logLevel(l alert.Level) slog.Level {
	switch {
	case l.AtLeast(alert.High):
		return slog.LevelError
	case l.AtLeast(alert.Medium):
		return slog.LevelWarn
	}
	return slog.LevelInfo
}
