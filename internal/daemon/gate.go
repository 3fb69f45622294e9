package daemon

import (
	"context"
	"slices"
	"sync"
)

// gate lets so many functions work at the same time, each on a goroutine of its own. Those that
// wait for a slot have no goroutine, so that thousands can wait, and begin in the order in which
// they came. It is safe for concurrent use.
type gate struct {
	mu      sync.Mutex
	free    int
	waiting []*func(leave func())
	back    int // so many of waiting, the first ones, had a slot before
}

// newGate returns a gate with so many slots.
func newGate(slots int) *gate { return &gate{free: slots} }

// enter calls fn once there is a slot, and does not wait for it. If ctx ends before, it calls fn at
// once, which must do no work then: nothing waits for a slot longer than its ctx. fn must give the
// slot back by leave, at its end or before; more calls of leave do nothing.
func (g *gate) enter(ctx context.Context, fn func(leave func())) { g.join(ctx, false, fn) }

// comeBack waits for a slot for somebody who gave one back, before all who have had none yet, and returns
// what gives it back. If ctx ends before, it returns without a slot.
func (g *gate) comeBack(ctx context.Context) (leave func()) {
	in := make(chan func(), 1)
	g.join(ctx, true, func(leave func()) { in <- leave })
	return <-in
}

func (g *gate) join(ctx context.Context, back bool, fn func(leave func())) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.free == 0 {
		var next func(leave func())
		stop := context.AfterFunc(ctx, func() {
			if g.drop(&next) {
				fn(func() {})
			}
		})
		next = func(leave func()) { stop(); fn(leave) }
		if back {
			g.waiting = slices.Insert(g.waiting, g.back, &next)
			g.back++
		} else {
			g.waiting = append(g.waiting, &next)
		}
		return
	}
	g.free--
	go fn(sync.OnceFunc(g.leave))
}

// drop takes one out that waits, and reports false if it does not wait any more.
func (g *gate) drop(next *func(leave func())) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	n := slices.Index(g.waiting, next)
	if n >= 0 {
		g.waiting = slices.Delete(g.waiting, n, n+1)
	}
	if n >= 0 && n < g.back {
		g.back--
	}
	return n >= 0
}

func (g *gate) leave() {
	g.mu.Lock()
	defer g.mu.Unlock()
	if len(g.waiting) == 0 {
		g.free++
		return
	}
	next := g.waiting[0]
	g.waiting[0] = nil // what it holds can go
	g.waiting = g.waiting[1:]
	g.back = max(0, g.back-1)
	go (*next)(sync.OnceFunc(g.leave))
}
