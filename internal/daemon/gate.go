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
	mu      sync.Mutex // guards what follows
	free    int
	back    line // those that had a slot before: all of them come first
	waiting line
}

// line is who waits for a slot, in the order in which they came.
type line []*func(leave func())

// newGate returns a gate with so many slots.
func newGate(slots int) *gate { return &gate{free: slots} }

// enter calls fn once there is a slot, and does not wait for it. If ctx ends before, it calls fn at
// once, which must do no work then: nothing waits for a slot longer than its ctx. fn must give the
// slot back by leave, at its end or before; more calls of leave do nothing.
func (g *gate) enter(ctx context.Context, fn func(leave func())) { g.join(ctx, &g.waiting, fn) }

// comeBack waits for a slot for somebody who gave one back, before all who have had none yet, and returns
// what gives it back. If ctx ends before, it returns without a slot.
func (g *gate) comeBack(ctx context.Context) (leave func()) {
	in := make(chan func(), 1)
	g.join(ctx, &g.back, func(leave func()) { in <- leave })
	return <-in
}

func (g *gate) join(ctx context.Context, l *line, fn func(leave func())) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.free > 0 {
		g.free--
		go fn(sync.OnceFunc(g.leave))
		return
	}
	var next func(leave func())
	stop := context.AfterFunc(ctx, func() {
		if g.drop(l, &next) {
			fn(func() {})
		}
	})
	next = func(leave func()) { stop(); fn(leave) }
	*l = append(*l, &next)
}

// drop takes one out of a line, and reports false if it does not wait there any more.
func (g *gate) drop(l *line, next *func(leave func())) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	n := slices.Index(*l, next)
	if n < 0 {
		return false
	}
	*l = slices.Delete(*l, n, n+1)
	return true
}

func (g *gate) leave() {
	g.mu.Lock()
	defer g.mu.Unlock()
	for _, l := range []*line{&g.back, &g.waiting} {
		if len(*l) > 0 {
			next := (*l)[0]
			*l = slices.Delete(*l, 0, 1)
			go (*next)(sync.OnceFunc(g.leave))
			return
		}
	}
	g.free++
}
