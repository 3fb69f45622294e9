package doctor

import (
	"context"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"
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

// Run makes every check. It tells the results of each, in order, as soon as
// they and all before them are there; an error of tell ends it.
func (d *Doctor) Run(ctx context.Context, tell func([]Result) error) error {
	if err := tell(d.configuration()); err != nil {
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
	all.Go(func() {
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
		if err := tell(group); err != nil {
			return err
		}
		group = nil
	}
	return nil
}

// once is a question that the first asks who wants its answer; it has time of its
// own, whoever that is.
func once[T any](ctx context.Context, ask func(context.Context) (T, error)) func() (T, error) {
	return sync.OnceValues(func() (T, error) {
		ctx, cancel := context.WithTimeout(ctx, oneCheck)
		defer cancel()
		return ask(ctx)
	})
}
