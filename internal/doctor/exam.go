package doctor

import (
	"cmp"
	"context"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sqs"

	"flowkeeper/configs"
	"flowkeeper/internal/queueclient"
	"flowkeeper/internal/scopes"
	"flowkeeper/inventory"
)

// exam is one run of all checks, with the answers that several of them need.
type exam struct {
	d          *Doctor
	stateFacts func() (stateFacts, error)
	queue      configs.QueueRef
	queueAPI   *sqs.Client
	attrs      func() (map[string]string, error)
	own        func() (identity, error) // of the base credentials, with which the queue is asked
	subjects   []*subject               // every scope
	accounts   []*account               // their IDs may be unknown
	home       *subject                 // the queue's account and Region
}

// newExam finds the accounts and Regions, and prepares the questions.
func newExam(ctx context.Context, d *Doctor) *exam {
	e := &exam{d: d, stateFacts: once(ctx, d.readState)}
	e.queueAPI, e.queue, _ = queueclient.New(d.AWS, d.Config) // Load has checked queue.url
	e.queue.Region = cmp.Or(e.queue.Region, d.AWS.Region)
	e.attrs = once(ctx, e.askQueue)
	e.own = once(ctx, func(ctx context.Context) (identity, error) { return whoAmI(ctx, d.AWS, d.Now) })
	for _, subjects := range d.findSubjects(ctx) {
		e.subjects = append(e.subjects, subjects...)
		e.accounts = append(e.accounts, newAccount(ctx, subjects))
	}
	for _, s := range e.subjects {
		s.trials = once(ctx, func(ctx context.Context) ([]trial, error) { return e.try(ctx, s) })
	}
	e.home = d.subject(ctx, scopes.Account{ID: e.queue.Account}, e.queueConfig(), e.queue.Region)
	e.routes(ctx)
	return e
}

// queueConfig returns what reaches the queue's account: that of a configured account, else the
// base credentials.
func (e *exam) queueConfig() aws.Config {
	for _, s := range e.subjects {
		if s.scope.Account == e.queue.Account {
			return s.cfg
		}
	}
	return e.d.AWS
}

// jobs are all checks in all places, in their order.
func (e *exam) jobs() (out []job) {
	for _, c := range checks() {
		if c.ID == Configuration { // Run has reported that
			continue
		}
		for _, j := range c.jobs(e) {
			j.check = c.Check
			out = append(out, j)
		}
	}
	return out
}

// configuration reports the warnings of the configuration, which the caller has read.
func (d *Doctor) configuration() (out []Result) {
	for _, w := range d.Warnings {
		out = append(out, finding{Warn, w.String(), ""}.at(checks()[0].Check, inventory.Scope{}))
	}
	if len(out) == 0 {
		out = append(out, fine("%s", cmp.Or(d.File, "the environment")).at(checks()[0].Check, inventory.Scope{}))
	}
	return out
}
