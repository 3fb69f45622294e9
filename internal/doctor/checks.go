package doctor

import (
	"context"

	"flowkeeper/inventory"
)

// check is one check, and makes its jobs: one for each scope, account or queue.
type check struct {
	Check
	jobs func(*exam) []job
}

// checks are all there are, in the order in which an event travels.
func checks() []check {
	return []check{
		{Check{Configuration, "the configuration can be read"}, nil},
		{Check{StateFile, "the state file can be used, and only by the daemon"}, here((*exam).stateFile)},
		{Check{DiskSpace, "there is room for the state file"}, here((*exam).diskSpace)},
		{Check{Credentials, "the credentials act in the scope's account"}, eachScopeAnyway((*exam).credentials)},
		{Check{Clock, "the clock is right"}, here((*exam).clock)},
		{Check{Trail, "a trail logs management write events"}, eachScope((*exam).trail)},
		{Check{EventRule, "an enabled EventBridge rule leads to the queue"}, eachScope((*exam).eventRule)},
		{Check{EventPattern, "the rule's pattern matches the records that matter"}, eachScope((*exam).eventPattern)},
		{Check{Queue, "the queue answers"}, atQueue((*exam).queueAnswers)},
		{Check{QueuePolicy, "only the rule or topic may send to the queue, and no stranger may receive"}, ofQueue((*exam).queuePolicy)},
		{Check{QueueKey, "EventBridge can use the queue's key"}, ofQueue((*exam).queueKey)},
		{Check{QueueRetention, "the queue keeps messages long enough"}, ofQueue((*exam).queueRetention)},
		{Check{QueueRedrive, "what can't be handled goes to a dead-letter queue"}, ofQueue((*exam).queueRedrive)},
		{Check{QueueBacklog, "messages are received from the queue"}, ofQueue((*exam).queueBacklog)},
		{Check{RoundTrip, "a rehearsal's own record came back through the queue"}, eachScope((*exam).roundTrip)},
		{Check{Describe, "flow logs can be described"}, eachScope((*exam).describe)},
		{Check{Create, "restores would be allowed"}, eachScope((*exam).create)},
		{Check{Tag, "replacements may be tagged"}, eachScope((*exam).tag)},
		{Check{PassRole, "the delivery roles may be passed"}, eachAccount((*account).passRoles)},
		{Check{LogDelivery, "log delivery may be set up"}, eachAccount((*account).logDelivery)},
		{Check{NeverDelete, "ec2:DeleteFlowLogs is not granted to us"}, eachAccount((*account).neverDelete)},
		{Check{AlertSinks, "alerts of a deletion reach somebody outside the watched accounts"}, here((*exam).alertSinks)},
		{Check{Daemon, "the daemon runs and is healthy"}, here((*exam).daemon)},
		{Check{Refresh, "the snapshot is fresh"}, eachScope((*exam).refresh)},
		{Check{Restorable, "what is protected could be restored, and nothing waits for a person"}, here((*exam).restorable)},
	}
}

// job is one check of one scope, account or queue.
type job struct {
	check Check
	scope inventory.Scope
	skip  func() string // why the check can't be made; empty or nil: it can
	run   func(context.Context) []finding
}

// outcome of a check: one finding, or several.
type outcome interface{ finding | []finding }

func findings[A outcome](a A) []finding {
	if one, is := any(a).(finding); is {
		return []finding{one}
	}
	return any(a).([]finding)
}

// here makes the job of a check of this machine.
func here[A outcome](run func(*exam, context.Context) A) func(*exam) []job {
	return func(e *exam) []job {
		return []job{{run: func(ctx context.Context) []finding { return findings(run(e, ctx)) }}}
	}
}

// atQueue makes the job of a check of the queue that does not need its attributes.
func atQueue[A outcome](run func(*exam, context.Context) A) func(*exam) []job {
	return func(e *exam) []job {
		at := inventory.Scope{Account: e.queue.Account, Region: e.queue.Region}
		return []job{{scope: at, skip: e.ownFail, run: func(ctx context.Context) []finding { return findings(run(e, ctx)) }}}
	}
}

// ofQueue makes the job of a check of the queue's attributes.
func ofQueue[A outcome](run func(e *exam, ctx context.Context, attributes map[string]string) A) func(*exam) []job {
	return func(e *exam) []job {
		at := inventory.Scope{Account: e.queue.Account, Region: e.queue.Region}
		return []job{{scope: at, skip: e.queueFail, run: func(ctx context.Context) []finding {
			a, _ := e.attrs() // after an error the check is skipped
			return findings(run(e, ctx, a))
		}}}
	}
}

func eachScope[A outcome](run func(*exam, context.Context, *subject) A) func(*exam) []job {
	return func(e *exam) (out []job) {
		for _, s := range e.subjects {
			out = append(out, job{scope: s.scope, skip: s.unusable, run: func(ctx context.Context) []finding { return findings(run(e, ctx, s)) }})
		}
		return out
	}
}

// eachScopeAnyway is a check of each scope, even if its credentials do not work.
func eachScopeAnyway[A outcome](run func(*exam, context.Context, *subject) A) func(*exam) []job {
	return func(e *exam) []job {
		all := eachScope(run)(e)
		for n := range all {
			all[n].skip = nil
		}
		return all
	}
}

func eachAccount[A outcome](run func(*account, context.Context) A) func(*exam) []job {
	return func(e *exam) (out []job) {
		for _, a := range e.accounts {
			out = append(out, job{scope: inventory.Scope{Account: a.id}, skip: a.subjects[0].unusable, run: func(ctx context.Context) []finding { return findings(run(a, ctx)) }})
		}
		return out
	}
}

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
