package doctor

// The checks, by the names that docs/troubleshoot.md has an anchor for each of.
const (
	Configuration  = "configuration"
	StateFile      = "state-file"
	DiskSpace      = "disk-space"
	Credentials    = "credentials"
	Clock          = "clock"
	Trail          = "trail"
	EventRule      = "event-rule"
	EventPattern   = "event-pattern"
	Queue          = "queue"
	QueuePolicy    = "queue-policy"
	QueueKey       = "queue-key"
	QueueRetention = "queue-retention"
	QueueRedrive   = "queue-redrive"
	QueueBacklog   = "queue-backlog"
	RoundTrip      = "round-trip"
	Describe       = "describe"
	Create         = "create"
	Tag            = "tag"
	PassRole       = "pass-role"
	LogDelivery    = "log-delivery"
	NeverDelete    = "never-delete"
	AlertSinks     = "alert-sinks"
	Daemon         = "daemon"
	Refresh        = "refresh"
	TelemetryRules = "telemetry-rules"
	Restorable     = "restorable"
)

// Check is one thing that is looked at.
type Check struct{ ID, Title string }

// Checks are all there are, in their order.
func Checks() (out []Check) {
	for _, c := range checks() {
		out = append(out, c.Check)
	}
	return out
}

// check is one check, and makes its jobs: one for each scope, account or queue.
type check struct {
	Check
	jobs func(*exam) []job
}

// checks are all there are, in the order in which an event travels.
func checks() []check {
	return []check{
		{Check{Configuration, "the configuration can be read"}, nil},
		{Check{StateFile, "the state file can be used, and only by the daemon"}, in(here, (*machine).stateFile)},
		{Check{DiskSpace, "there is room for the state file"}, in(here, (*machine).diskSpace)},
		{Check{Credentials, "the credentials act in the scope's account"}, in(eachLogin, login.credentials)},
		{Check{Clock, "the clock is right"}, in(here, (*machine).clock)},
		{Check{Trail, "a trail logs management write events"}, in(eachScope, (*subject).trail)},
		{Check{EventRule, "an enabled EventBridge rule leads to the queue"}, in(eachScope, (*subject).eventRule)},
		{Check{EventPattern, "the rule's pattern matches the records that matter"}, in(eachScope, (*subject).eventPattern)},
		{Check{Queue, "the queue answers"}, in(theQueue, (*queue).answers)},
		{Check{QueuePolicy, "only the rule or topic may send to the queue, and no stranger may receive"}, in(attributes, answered.policy)},
		{Check{QueueKey, "EventBridge can use the queue's key"}, in(attributes, answered.key)},
		{Check{QueueRetention, "the queue keeps messages long enough"}, in(attributes, answered.retention)},
		{Check{QueueRedrive, "what can't be handled goes to a dead-letter queue"}, in(attributes, answered.redrive)},
		{Check{QueueBacklog, "messages are received from the queue"}, in(attributes, answered.backlog)},
		{Check{RoundTrip, "a rehearsal's own record came back through the queue"}, in(eachScope, (*subject).roundTrip)},
		{Check{Describe, "flow logs can be described"}, in(eachScope, (*subject).describe)},
		{Check{Create, "restores would be allowed"}, in(eachScope, (*subject).create)},
		{Check{Tag, "replacements may be tagged"}, both(in(eachScope, (*subject).tag), in(eachAccount, (*account).tagLater))},
		{Check{PassRole, "the delivery roles may be passed"}, in(eachAccount, (*account).passRoles)},
		{Check{LogDelivery, "log delivery may be set up"}, in(eachAccount, (*account).logDelivery)},
		{Check{NeverDelete, "ec2:DeleteFlowLogs is not granted to us"}, in(eachAccount, (*account).neverDelete)},
		{Check{AlertSinks, "alerts of a deletion reach somebody outside the watched accounts"}, in(here, (*machine).alertSinks)},
		{Check{Daemon, "the daemon runs and is healthy"}, in(here, (*machine).daemon)},
		{Check{Refresh, "the snapshot is fresh"}, in(eachScope, (*subject).refresh)},
		{Check{TelemetryRules, "what CloudWatch's telemetry rules made, and which rule holds for them"}, in(eachScope, (*subject).telemetryRules)},
		{Check{Restorable, "what is protected could be restored, and nothing waits for a person"}, in(here, (*machine).restorable)},
	}
}
