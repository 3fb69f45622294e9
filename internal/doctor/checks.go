package doctor

import (
	"context"
	"slices"
	"sync"

	"flowkeeper/internal/scopes"
	"flowkeeper/inventory"
)

// Check is one thing that is checked. Its section in docs/troubleshoot.md has the ID as its anchor.
type Check struct{ ID, Title string }

// Checks are all there are, in their order.
func Checks() (out []Check) {
	for _, c := range checks {
		out = append(out, c.Check)
	}
	return out
}

// check is one check. jobs makes its jobs: one for each place, such as a scope or an account.
type check struct {
	Check
	jobs func(*exam) []job
}

// checks are all there are, in the order in which an event travels. The first one needs no AWS.
var checks = []check{
	{Check{"configuration", "the configuration can be read"}, in(here, (*machine).configuration)},
	{Check{"state-file", "the state file can be used, and only by the daemon"}, in(here, (*machine).stateFile)},
	{Check{"disk-space", "there is room for the state file"}, in(here, (*machine).diskSpace)},
	{Check{"organization", "the accounts of the organisation can be listed"}, in(here, (*machine).organization)},
	{Check{"credentials", "the credentials act in the scope's account"}, in(eachLogin, login.credentials)},
	{Check{"clock", "the clock is right"}, in(here, (*machine).clock)},
	{Check{"trail", "a trail logs management write events"}, in(eachScope, (*subject).trail)},
	{Check{"event-rule", "an enabled EventBridge rule leads to the queue"}, in(eachScope, (*subject).eventRule)},
	{Check{"event-pattern", "the rule's pattern matches the records that matter"}, in(eachScope, (*subject).eventPattern)},
	{Check{"log-files", "CloudTrail's log files can be read"}, in(here, (*machine).logFiles)},
	{Check{"queue", "the queue answers"}, in(theQueue, (*queue).answers)},
	{Check{"queue-policy", "only the rule or topic may send to the queue, and no stranger may receive"}, in(attributes, answered.policy)},
	{Check{"queue-key", "EventBridge can use the queue's key"}, in(attributes, answered.key)},
	{Check{"queue-retention", "the queue keeps messages long enough"}, in(attributes, answered.retention)},
	{Check{"queue-delay", "the queue hands messages over at once"}, in(attributes, answered.delay)},
	{Check{"queue-redrive", "what can't be handled goes to a dead-letter queue"}, in(attributes, answered.redrive)},
	{Check{"queue-backlog", "messages are received from the queue"}, in(attributes, answered.backlog)},
	{Check{"round-trip", "a rehearsal's own record came back through the queue"}, in(eachScope, (*subject).roundTrip)},
	{Check{"describe", "flow logs can be described"}, in(eachScope, (*subject).describe)},
	{Check{"create", "restores would be allowed"}, in(eachScope, (*subject).create)},
	{Check{"tag", "replacements may be tagged"}, both(in(eachScope, (*subject).tag), in(eachAccount, (*account).tagLater))},
	{Check{"pass-role", "the delivery roles may be passed"}, in(eachAccount, (*account).passRoles)},
	{Check{"log-delivery", "log delivery may be set up"}, in(eachAccount, (*account).logDelivery)},
	{Check{"never-delete", "ec2:DeleteFlowLogs is not granted to us"}, in(eachAccount, (*account).neverDelete)},
	{Check{"alert-sinks", "alerts of a deletion reach somebody outside the watched accounts"}, in(here, (*machine).alertSinks)},
	{Check{"daemon", "the daemon runs and is healthy"}, in(here, (*machine).daemon)},
	{Check{"refresh", "the snapshot is fresh"}, in(eachScope, (*subject).refresh)},
	{Check{"telemetry-rules", "what CloudWatch's telemetry rules made, and which rule holds for them"}, in(eachScope, (*subject).telemetryRules)},
	{Check{"restorable", "what is protected could be restored, and nothing waits for a person"}, in(here, (*machine).restorable)},
}

// exam is one run, with all places where it checks something: this machine, the queue, and what is watched.
type exam struct {
	machine  *machine
	queue    *queue
	subjects []*subject // every scope
	accounts []*account // their IDs may be unknown
}

// newExam finds the accounts and Regions, and prepares the questions that several checks have.
func newExam(ctx context.Context, d *Doctor) *exam {
	e := &exam{machine: newMachine(ctx, d)}
	for _, subjects := range e.machine.findSubjects(ctx) {
		e.subjects = append(e.subjects, subjects...)
		e.accounts = append(e.accounts, newAccount(ctx, subjects))
	}
	e.machine.watched = e.subjects
	e.queue = newQueue(ctx, d, e.machine)
	base := d.AWS
	if n := slices.IndexFunc(e.subjects, func(s *subject) bool { return s.scope.Account == e.queue.Account }); n >= 0 {
		base = e.subjects[n].cfg
	}
	home := e.machine.subject(ctx, scopes.Account{ID: e.queue.Account}, base, e.queue.Region)
	r := newRoutes(ctx, e.queue, home)
	r.away = sync.OnceValue(func() bool { return anyRule(e.subjects, home.scope) })
	home.rules = r.ask(ctx, home)
	for _, s := range e.subjects {
		s.routes, s.rules = r, r.ask(ctx, s)
		s.trials = once(ctx, s.try)
	}
	e.queue.senders = append([]*subject{home}, e.subjects...)
	return e
}

// jobs returns the jobs of some checks, in their order.
func (e *exam) jobs(checks []check) (out []job) {
	for _, c := range checks {
		made := c.jobs(e)
		if len(made) == 0 {
			made = []job{{place: nowhere{}}}
		}
		for _, j := range made {
			j.check, j.nameOf = c.Check, e.machine.nameOf
			out = append(out, j)
		}
	}
	return out
}

// job is one check in one place.
type job struct {
	check  Check
	place  place
	nameOf func(account string) string
	run    func(context.Context) []finding
}

// results makes the check, unless its place can't be used.
func (j job) results(ctx context.Context) (out []Result) {
	ctx, cancel := context.WithTimeout(ctx, oneCheck)
	defer cancel()
	var found []finding
	if why := j.place.unusable(); why != "" {
		found = findings(skipped(why))
	} else {
		found = j.run(ctx)
	}
	for _, f := range found {
		r := f.at(j.check, j.place.at())
		r.AccountName = j.nameOf(r.Account)
		out = append(out, r)
	}
	return out
}

// place is where a check is made: this machine, the queue, an account, or a scope.
type place interface {
	at() inventory.Scope // as results name it
	unusable() string    // why nothing can be checked there; empty: it can
}

// nowhere is the place of a check if no account is known.
type nowhere struct{}

func (nowhere) at() inventory.Scope { return inventory.Scope{} }
func (nowhere) unusable() string    { return "no account is known" }

func here(e *exam) []*machine        { return []*machine{e.machine} }
func theQueue(e *exam) []*queue      { return []*queue{e.queue} }
func attributes(e *exam) []answered  { return []answered{{e.queue}} }
func eachScope(e *exam) []*subject   { return e.subjects }
func eachAccount(e *exam) []*account { return e.accounts }
func eachLogin(e *exam) (out []login) {
	for _, s := range e.subjects {
		out = append(out, login{s})
	}
	return out
}

// outcome of a check: one finding, or several.
type outcome interface{ finding | []finding }

func findings[A outcome](a A) []finding {
	if one, is := any(a).(finding); is {
		return []finding{one}
	}
	return any(a).([]finding)
}

// both makes the jobs of two parts of one check.
func both(one, other func(*exam) []job) func(*exam) []job {
	return func(e *exam) []job { return append(one(e), other(e)...) }
}

// in makes the jobs of a check: one for each place.
func in[P place, A outcome](places func(*exam) []P, run func(P, context.Context) A) func(*exam) []job {
	return func(e *exam) (out []job) {
		for _, p := range places(e) {
			out = append(out, job{place: p, run: func(ctx context.Context) []finding { return findings(run(p, ctx)) }})
		}
		return out
	}
}
