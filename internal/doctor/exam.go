package doctor

import (
	"context"

	"github.com/aws/aws-sdk-go-v2/aws"

	"flowkeeper/internal/scopes"
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
	e.queue.sources = func() sources { return e.queue.sourcesOf(append([]*subject{home}, e.subjects...)) }
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
