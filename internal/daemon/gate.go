package daemon

import (
	"context"
	"slices"
	"sync"
)

// gate limits how many functions run at the same time, each on a goroutine of its own. Functions
// that wait for a slot have no goroutine, so that thousands can wait, and begin in the order in
// which they came. It is safe for concurrent use.
type gate struct {
	mu      sync.Mutex // guards what follows
	free    int
	back    line // functions that wait again, after they gave a slot back: all of them come first
	waiting line // functions that have had no slot yet
}

// line has the functions that wait for a slot, in the order in which they came.
type line []*func(leave func())

// newGate returns a gate with that many slots.
func newGate(slots int) *gate { return &gate{free: slots} }

// enter returns at once; fn is called once there is a slot. If ctx ends before, fn is called without
// a slot, and must do no work: nothing waits for a slot longer than its ctx. fn must call leave, at
// its end or before, to give the slot back; further calls of leave do nothing.
func (g *gate) enter(ctx context.Context, fn func(leave func())) { g.join(ctx, &g.waiting, fn) }

// comeBack waits for another slot, for a caller that has given its slot back. It comes before all that have had no
// slot yet. leave gives the new slot back. If ctx ends before, comeBack returns without a slot.
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

// drop removes a function from a line, and returns false if it does not wait there any more.
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
