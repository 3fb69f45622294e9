package metrics

import (
	"context"
	"errors"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awsmiddleware "github.com/aws/aws-sdk-go-v2/aws/middleware"
	"github.com/aws/aws-sdk-go-v2/aws/retry"
	"github.com/aws/smithy-go"
	"github.com/aws/smithy-go/middleware"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"

	"flowkeeper/internal/cloudtrail"
	"flowkeeper/remediate/incident"
	"flowkeeper/watcher"
)

// Meters counts what happens since the start of the daemon; what is in the state file is read
// by Scrape. It is safe for concurrent use, and implements remediate.Meter and watcher.Meter.
type Meters struct {
	registry                                   *prometheus.Registry
	sinks                                      []string // see AddSink
	restores, messages, noCalls, alerts, calls *prometheus.CounterVec
	reasons, logFiles                          *prometheus.CounterVec
	logFileBytes                               prometheus.Counter
	blind, delay                               prometheus.Histogram
	oldest                                     prometheus.Gauge
}

// Outcomes of a restore.
const (
	outcomeCreated = "created" // by a CreateFlowLogs of ours
	outcomeAdopted = "adopted" // somebody else had made an equal one
	outcomeBlocked = "blocked" // a person is needed
	outcomeClosed  = "closed"  // there was nothing to restore
)

// Outcomes of one try to deliver an alert.
const (
	outcomeSent   = "sent"
	outcomeFailed = "failed"
)

// Outcomes of a log file that a message announced.
const (
	FileRead           = "read"
	FileOfOthers       = "others"        // its key is not that of a log file, or does not begin with the bucket's prefix
	FileOfOtherAccount = "other_account" // its key names an account whose log files do not matter
	FileUnlisted       = "unlisted"      // it is in a bucket that log_files.buckets does not name
	FileRefused        = "refused"       // the bucket can't be read
	FileUnreadable     = "unreadable"    // it is missing, or no log file, or too large
)

// New returns meters that have counted nothing yet.
func New() *Meters {
	registry := prometheus.NewRegistry()
	auto := promauto.With(registry)
	counter := func(name, help string, labels ...string) *prometheus.CounterVec {
		return auto.NewCounterVec(prometheus.CounterOpts{Name: "flowkeeper_" + name, Help: help}, labels)
	}
	histogram := func(name, help string, buckets ...float64) prometheus.Histogram {
		return auto.NewHistogram(prometheus.HistogramOpts{Name: "flowkeeper_" + name, Help: help, Buckets: buckets})
	}
	m := &Meters{
		registry: registry,
		restores: counter("restores_total", "Incidents by what came of restoring: created, adopted (somebody else made an equal one), blocked (a person is needed), closed (nothing was to be restored).", "outcome"),
		reasons:  counter("incident_reasons_total", "Times that an incident became blocked or closed, or blocked for another reason than before, by the reason (replaced_by_telemetry: CloudWatch's telemetry rules have replaced the flow log; other: one that this version does not know).", "state", "reason"),
		messages: counter("messages_total", "Messages of the queue, by the form of their body and by what became of them.", "kind", "outcome"),
		noCalls:  counter("records_ignored_total", "Acknowledged records that name a watched call and are no management call of an AWS API, by what they are instead.", "reason"),
		logFiles: counter("log_files_total", "Log files that messages announced, by what became of them: read; skipped by their key: others (no log file, or not under the prefix), other_account; left in the queue: unlisted (not in a bucket of log_files.buckets), refused (the bucket can't be read), unreadable (the file can't).", "outcome"),
		alerts:   counter("alerts_total", "Tries to deliver an alert, by sink and outcome (sent, failed).", "sink", "outcome"),
		calls:    counter("aws_calls_total", "Calls to AWS, each retry counted, by outcome (ok, throttled, denied, failed). A dry run that AWS would allow is ok.", "service", "operation", "outcome"),
		blind:    histogram("blind_seconds", "From the deletion of a flow log to its replacement.", 1, 2, 5, 10, 20, 30, 60, 120, 300, 600, 1800, 3600, 14400, 86400),
		delay:    histogram("detection_delay_seconds", "From a deletion to the alert about it on disk, for deletions that an event reported.", 1, 2, 5, 10, 20, 30, 60, 120, 300, 600, 1800, 3600),
		oldest: auto.NewGauge(prometheus.GaugeOpts{Name: "flowkeeper_queue_oldest_message_seconds",
			Help: "Age of the oldest message that the last receive brought; 0 when it brought none."}),
		logFileBytes: counter("log_file_bytes_total", "Bytes that were read of log files, inflated.").WithLabelValues(),
	}
	// Every series begins with 0: Prometheus sees no increase in a series that begins with 1.
	for _, o := range []string{FileRead, FileOfOthers, FileOfOtherAccount, FileUnlisted, FileRefused, FileUnreadable} {
		m.logFiles.WithLabelValues(o)
	}
	for _, o := range []string{outcomeCreated, outcomeAdopted, outcomeBlocked, outcomeClosed} {
		m.restores.WithLabelValues(o)
	}
	for state, reasons := range map[incident.State][]string{incident.Blocked: withOther(incident.BlockedReasons), incident.Closed: withOther(closedReasons)} {
		for _, r := range reasons {
			m.reasons.WithLabelValues(string(state), r)
		}
	}
	for _, o := range watcher.Outcomes {
		m.messages.WithLabelValues(string(watcher.EventBridge), o)
	}
	for _, n := range cloudtrail.NoCalls {
		m.noCalls.WithLabelValues(string(n))
	}
	m.calls.WithLabelValues("SQS", "ReceiveMessage", "ok") // the alerting rule asks for its rate, also if the queue never answers
	return m
}

// AddSink begins the series of a sink. It must not be called after Scrape.Handler.
func (m *Meters) AddSink(name string) {
	m.sinks = append(m.sinks, name)
	m.alerts.WithLabelValues(name, outcomeSent)
	m.alerts.WithLabelValues(name, outcomeFailed)
}

// DeletionRecorded implements remediate.Meter.
func (m *Meters) DeletionRecorded(delay time.Duration) { m.delay.Observe(max(0, delay).Seconds()) }

// Changed implements remediate.Meter.
func (m *Meters) Changed(before, after incident.Incident) {
	if state, reason := reasonOf(before, after); state != "" {
		m.reasons.WithLabelValues(state, reason).Inc()
	}
	outcome := outcomeOf(before, after)
	if outcome == "" {
		return
	}
	m.restores.WithLabelValues(outcome).Inc()
	if blind, known := after.BlindSeconds(); known && after.State == incident.Restored {
		m.blind.Observe(blind)
	}
}

// outcomeOf returns the outcome that a change of an incident adds to restores_total; empty:
// none.
func outcomeOf(before, after incident.Incident) string {
	switch {
	case after.State == before.State:
		return ""
	case after.State == incident.Restored && after.Adopted:
		return outcomeAdopted
	case after.State == incident.Restored:
		return outcomeCreated
	case after.State == incident.Blocked:
		return outcomeBlocked
	case after.State == incident.Closed && after.Reason != incident.Superseded: // Superseded: the incident of the replacement is counted instead
		return outcomeClosed
	}
	return ""
}

// Tried counts one try to deliver an alert to a sink, and its result.
func (m *Meters) Tried(sink string, err error) {
	outcome := outcomeSent
	if err != nil {
		outcome = outcomeFailed
	}
	m.alerts.WithLabelValues(sink, outcome).Inc()
}

// Counted implements watcher.Meter.
func (m *Meters) Counted(kind watcher.Kind, outcome string) {
	m.messages.WithLabelValues(string(kind), outcome).Inc()
}

// LogFile counts one log file, by its outcome, and the bytes that were read of it, inflated.
func (m *Meters) LogFile(outcome string, inflated int64) {
	m.logFiles.WithLabelValues(outcome).Inc()
	m.logFileBytes.Add(float64(inflated))
}

// NoCall implements watcher.Meter.
func (m *Meters) NoCall(n cloudtrail.NoCall) { m.noCalls.WithLabelValues(string(n)).Inc() }

// Oldest implements watcher.Meter.
func (m *Meters) Oldest(age time.Duration) { m.oldest.Set(max(0, age).Seconds()) }

// Counting returns a copy of base whose clients count their calls.
func (m *Meters) Counting(base aws.Config) aws.Config {
	base = base.Copy()
	base.APIOptions = append(base.APIOptions, func(stack *middleware.Stack) error {
		// Inside the retries of the stack, so that each try is counted.
		return stack.Finalize.Insert(middleware.FinalizeMiddlewareFunc("CountCalls", m.call), "ResolveAuthScheme", middleware.Before)
	})
	return base
}

func (m *Meters) call(ctx context.Context, in middleware.FinalizeInput, next middleware.FinalizeHandler) (middleware.FinalizeOutput, middleware.Metadata, error) {
	out, meta, err := next.HandleFinalize(ctx, in)
	m.calls.WithLabelValues(awsmiddleware.GetServiceID(ctx), awsmiddleware.GetOperationName(ctx), callOutcome(err)).Inc()
	return out, meta, err
}

// callOutcome returns the class of a call's answer.
func callOutcome(err error) string {
	if err == nil {
		return "ok"
	}
	api, is := errors.AsType[smithy.APIError](err)
	if !is {
		return "failed"
	}
	if _, throttled := retry.DefaultThrottleErrorCodes[api.ErrorCode()]; throttled {
		return "throttled"
	}
	switch code := api.ErrorCode(); {
	case code == "DryRunOperation":
		return "ok"
	case strings.Contains(code, "AccessDenied"), code == "UnauthorizedOperation", code == "AuthorizationError":
		return "denied"
	}
	return "failed"
}
