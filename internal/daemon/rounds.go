package daemon

import (
	"context"
	"sync"
	"time"

	"flowkeeper/internal/retry"
)

// freshTimeout is how long awaitFresh waits: for a pause and an answer.
const freshTimeout = 40 * time.Second

// rounds are the rounds of a goroutine that asks AWS again and again; others may ask for a round
// sooner. Methods are safe for concurrent use, unless they say otherwise.
type rounds struct {
	asked chan struct{}

	mu    sync.Mutex    // guards what follows
	began time.Time     // of the last round that is over
	over  chan struct{} // closed when the next round is over
}

func newRounds() rounds { return rounds{asked: make(chan struct{}, 1), over: make(chan struct{})} }

// soon asks for a round as soon as discoverPause allows. It never blocks.
func (r *rounds) soon() { retry.Wake(r.asked) }

// awaitFresh returns when a round is over that began less than discoverPause before the
// call, or after freshTimeout.
func (r *rounds) awaitFresh(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, freshTimeout)
	defer cancel()
	for now := time.Now(); ctx.Err() == nil; {
		r.mu.Lock()
		fresh, over := now.Sub(r.began) < discoverPause, r.over
		r.mu.Unlock()
		if fresh {
			return
		}
		r.soon()
		select {
		case <-over:
		case <-ctx.Done():
		}
	}
}

// await returns when the next round must begin: after a pause, or when one is asked for, but
// not within discoverPause of the last one, because several may ask at the same time. It returns
// false if ctx ends first. Only the goroutine of the rounds calls await and done.
func (r *rounds) await(ctx context.Context, pause time.Duration) bool {
	retry.Wait(ctx, pause, r.asked)
	return retry.Sleep(ctx, discoverPause-time.Since(r.began)) // only this goroutine sets began
}

// done notes that a round is over.
func (r *rounds) done(began time.Time) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.began = began
	close(r.over)
	r.over = make(chan struct{})
}
