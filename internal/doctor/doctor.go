package doctor

import (
	"context"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"golang.org/x/sync/errgroup"

	"flowkeeper/alert/sink"
	"flowkeeper/configs"
	"flowkeeper/internal/organization"
	"flowkeeper/internal/scopes"
)

// Doctor is what to check. Its methods must not be called concurrently.
type Doctor struct {
	Config   configs.Config
	File     string            // of the configuration; empty: it came from the environment
	Warnings []configs.Warning // of reading it
	AWS      aws.Config        // the daemon's own credentials
	Accounts []scopes.Account  // empty: the account of these credentials
	// Protection is nil if the organisation is not asked: then Accounts has all.
	Protection Protection
	Names      map[string]string // of accounts, as far as they are known; the organisation's list adds those that it has
	Routes     sink.Routes
	Now        func() time.Time
}

// Protection says which accounts are protected.
type Protection interface {
	// Accounts are those to protect, of the members of the organisation and of the configuration. partition is that
	// of the roles of members.
	Accounts(partition string, members []organization.Member) []scopes.Account
}

const (
	atOnce        = 8                // jobs that run at the same time, if there are few
	mostAtOnce    = 64               // jobs that run at the same time, if there are many
	jobsPerWorker = 25               // in between, one more runs at the same time for each 25 jobs
	oneCheck      = 40 * time.Second // the longest that a job takes
	oneCall       = 10 * time.Second // the longest that a call takes, with its retries
)

// Run makes every check. It reports the results of each check, in order, as soon as these
// and all results before them are there. It calls report on the goroutine that called Run.
// It ends with ctx's error or report's, and waits for the goroutines that it has started.
func (d *Doctor) Run(ctx context.Context, report func([]Result) error) error {
	ctx, cancel := context.WithCancel(ctx)
	here := exam{machine: &machine{Doctor: d}}
	for _, j := range here.jobs(checks[:1]) { // the first check needs no AWS, which may not answer for a while
		if err := report(j.results(ctx)); err != nil {
			cancel()
			return err
		}
	}
	jobs := newExam(ctx, d).jobs(checks[1:])
	done := make([]chan []Result, len(jobs))
	for n := range done {
		done[n] = make(chan []Result, 1)
	}
	var workers errgroup.Group
	workers.SetLimit(min(mostAtOnce, max(atOnce, len(jobs)/jobsPerWorker)))
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
		if err := report(wholeAccounts(group)); err != nil {
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

// call makes a call of an AWS client, such as client.DescribeTags, with a time limit.
func call[In, Out, Options any](ctx context.Context, do func(context.Context, *In, ...func(*Options)) (*Out, error), in *In) (*Out, error) {
	ctx, cancel := context.WithTimeout(ctx, oneCall)
	defer cancel()
	return do(ctx, in)
}
