package recordsource

import (
	"context"
	"iter"
	"sync"
)

// perInput is how many results of one input may wait until the inputs before it are done.
const perInput = 16

// Ordered calls work for each input, for up to workers inputs at the same time. It yields what work
// yields: in the order of the inputs, and for one input in the order in which work yields. work must
// end soon after its context does, or after its yield returns false. One goroutine takes the inputs,
// up to workers of them ahead. When the loop over the results ends, or ctx does, all goroutines have
// ended.
func Ordered[In, Out any](ctx context.Context, workers int, inputs iter.Seq[In], work func(ctx context.Context, in In, yield func(Out) bool)) iter.Seq[Out] {
	type job struct {
		in  In
		out chan Out
	}
	return func(yield func(Out) bool) {
		ctx, cancel := context.WithCancel(ctx)
		var all sync.WaitGroup
		defer all.Wait()
		defer cancel()

		todo := make(chan job)
		queue := make(chan job, workers) // the same jobs, in order; each job's out is closed when its work ends
		all.Go(func() {
			defer close(queue)
			defer close(todo)
			for in := range inputs {
				j := job{in, make(chan Out, perInput)}
				select {
				case queue <- j:
				case <-ctx.Done():
					return
				}
				select {
				case todo <- j:
				case <-ctx.Done():
					close(j.out)
					return
				}
			}
		})
		for range workers {
			all.Go(func() {
				for j := range todo {
					work(ctx, j.in, func(out Out) bool {
						select {
						case j.out <- out:
							return true
						case <-ctx.Done():
							return false
						}
					})
					close(j.out)
				}
			})
		}
		for j := range queue {
			for out := range j.out {
				if ctx.Err() != nil || !yield(out) {
					return
				}
			}
		}
	}
}
