package doctor

import (
	"cmp"
	"context"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"golang.org/x/sync/errgroup"

	"flowkeeper/configs"
	"flowkeeper/internal/queueclient"
	"flowkeeper/internal/scopes"
	"flowkeeper/inventory"
)

const (
	atOnce   = 8                // checks under way
	oneCheck = 40 * time.Second // the longest that one takes
	oneCall  = 10 * time.Second
)

func (j job) results(ctx context.Context) []Result {
	ctx, cancel := context.WithTimeout(ctx, oneCheck)
	defer cancel()
	if j.skip != nil {
		if why := j.skip(); why != "" {
			return []Result{finding{status: Skipped, detail: why}.at(j.check, j.scope)}
		}
	}
	var out []Result
	for _, f := range j.run(ctx) {
		out = append(out, f.at(j.check, j.scope))
	}
	return out
}

// Run makes every check. It reports the results of each, in order, as soon as they
// and all before them are there; it calls report from its own goroutine. It ends with
// ctx's error or report's, and waits for what it started.
func (d *Doctor) Run(ctx context.Context, report func([]Result) error) error {
	if err := report(d.configuration()); err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(ctx)
	jobs := newExam(ctx, d).jobs()
	done := make([]chan []Result, len(jobs))
	for n := range done {
		done[n] = make(chan []Result, 1)
	}
	var workers errgroup.Group
	workers.SetLimit(atOnce)
	var all sync.WaitGroup
	defer all.Wait()
	defer cancel()
	all.Go(func() { // in order, because they are reported in order
		for n, j := range jobs {
			workers.Go(func() error { done[n] <- j.results(ctx); return nil })
		}
		_ = workers.Wait() // no job fails: a failure is a result
	})
	var group []Result
	for n, j := range jobs {
		group = append(group, <-done[n]...)
		if n+1 < len(jobs) && jobs[n+1].check == j.check {
			continue
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if err := report(group); err != nil {
			return err
		}
		group = nil
	}
	return nil
}

// once returns a function that asks at its first call and then returns the same answer. The
// question has a time limit of its own, because several checks wait for it.
func once[T any](ctx context.Context, ask func(context.Context) (T, error)) func() (T, error) {
	return sync.OnceValues(func() (T, error) {
		ctx, cancel := context.WithTimeout(ctx, oneCheck)
		defer cancel()
		return ask(ctx)
	})
}

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

// findSubjects finds the subjects of each configured account, in order.
func (d *Doctor) findSubjects(ctx context.Context) [][]*subject {
	all := d.Accounts
	if len(all) == 0 {
		all = []scopes.Account{{}}
	}
	found := make([][]*subject, len(all))
	var g errgroup.Group
	g.SetLimit(atOnce)
	for n, a := range all {
		g.Go(func() error { found[n] = d.subjectsOf(ctx, a); return nil })
	}
	_ = g.Wait() // none fails: what is not known the checks report
	return found
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

// subject is one scope (an account and Region), and how it is reached.
type subject struct {
	scope    inventory.Scope
	account  scopes.Account
	cfg      aws.Config // in the scope's Region
	identity func() (identity, error)
	regions  error                  // why the Regions are not all known
	route    func() ([]rule, error) // the rules of its default bus that lead to the queue
	logs     func() ([]inventory.FlowLog, error)
	trials   func() ([]trial, error) // the dry runs of its restores
}

func (d *Doctor) subject(ctx context.Context, a scopes.Account, cfg aws.Config, region string) *subject {
	cfg = cfg.Copy()
	cfg.Region = region
	s := &subject{scope: inventory.Scope{Account: a.ID, Region: region}, account: a, cfg: cfg}
	s.identity = once(ctx, func(ctx context.Context) (identity, error) { return whoAmI(ctx, cfg, d.Now) })
	s.logs = once(ctx, s.describeFlowLogs)
	return s
}

// subjectsOf one account: at least one, even if nothing is known of the account.
func (d *Doctor) subjectsOf(ctx context.Context, a scopes.Account) []*subject {
	cfg := a.Reach(d.AWS)
	if a.ID == "" {
		first := d.subject(ctx, a, cfg, cfg.Region)
		who, err := first.identity()
		if err != nil {
			return []*subject{first}
		}
		a.ID = who.account
	}
	ask, cancel := context.WithTimeout(ctx, oneCall)
	defer cancel()
	names, err := scopes.Regions(ask, cfg, d.Config.Inventory.Regions)
	if err != nil || len(names) == 0 {
		s := d.subject(ctx, a, cfg, cfg.Region)
		s.regions = err
		return []*subject{s}
	}
	var out []*subject
	for _, name := range names {
		out = append(out, d.subject(ctx, a, cfg, name))
	}
	return out
}

// unusable says why nothing can be asked of a scope; empty: it can.
func (s *subject) unusable() string {
	who, err := s.identity()
	if err != nil || who.account != s.scope.Account {
		return "the credentials do not work there"
	}
	return ""
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
