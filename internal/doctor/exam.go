package doctor

import (
	"context"

	"github.com/aws/aws-sdk-go-v2/aws"

	"flowkeeper/internal/queuepolicy"
	"flowkeeper/internal/scopes"
	"flowkeeper/inventory"
)

// exam is the places of one run: this machine, the queue, and what is watched.
type exam struct {
	machine  *machine
	queue    *queue
	subjects []*subject // every scope
	accounts []*account // their IDs may be unknown
}

// newExam finds the accounts and Regions, and prepares the questions that several checks have.
func newExam(ctx context.Context, d *Doctor) *exam {
	e := &exam{machine: &machine{conf: d.Config, sinks: d.Routes, now: d.Now, accounts: len(d.Accounts), state: once(ctx, d.readState)}}
	for _, subjects := range d.findSubjects(ctx) {
		e.subjects = append(e.subjects, subjects...)
		e.accounts = append(e.accounts, newAccount(ctx, subjects))
	}
	e.machine.watched = e.subjects
	e.queue = newQueue(ctx, d, e.machine)
	home := d.subject(ctx, scopes.Account{ID: e.queue.Account}, e.reach(e.queue.Account, d.AWS), e.queue.Region)
	routes := newRoutes(ctx, e.queue, home)
	home.rules = routes.ask(ctx, home)
	for _, s := range e.subjects {
		s.machine, s.routes, s.rules = e.machine, routes, routes.ask(ctx, s)
		s.trials = once(ctx, s.try)
	}
	e.queue.sources = func() queuepolicy.Sources { return e.queue.sourcesOf(append([]*subject{home}, e.subjects...)) }
	return e
}

// reach returns the configuration with which an account is asked: its own if it is watched, else
// base.
func (e *exam) reach(account string, base aws.Config) aws.Config {
	for _, s := range e.subjects {
		if s.scope.Account == account {
			return s.cfg
		}
	}
	return base
}

// jobs are all checks in all places, in their order.
func (e *exam) jobs() (out []job) {
	for _, c := range checks() {
		if c.jobs == nil { // Run has reported that
			continue
		}
		for _, j := range c.jobs(e) {
			j.check = c.Check
			out = append(out, j)
		}
	}
	return out
}

// job is one check in one place.
type job struct {
	check Check
	place place
	run   func(context.Context) []finding
}

// results makes the check, unless its place can't be used.
func (j job) results(ctx context.Context) (out []Result) {
	ctx, cancel := context.WithTimeout(ctx, oneCheck)
	defer cancel()
	if why := j.place.unusable(); why != "" {
		return []Result{skipped(why).at(j.check, j.place.at())}
	}
	for _, f := range j.run(ctx) {
		out = append(out, f.at(j.check, j.place.at()))
	}
	return out
}

// place is where a check is made: this machine, the queue, an account, or a scope.
type place interface {
	at() inventory.Scope // as results name it
	unusable() string    // why nothing can be checked there; empty: it can
}

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
