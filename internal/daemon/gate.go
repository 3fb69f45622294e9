package daemon

import "sync"

// gate lets so many functions work at the same time, each on a goroutine of its own. Those that
// wait for a place have no goroutine, so that thousands can wait, and begin in the order in which
// they came. It is safe for concurrent use.
type gate struct {
	mu      sync.Mutex
	free    int
	waiting []func(leave func())
}

// newGate returns a gate with so many places.
func newGate(places int) *gate { return &gate{free: places} }

// enter calls fn once there is a place, and does not wait for it. fn must give the place back by
// leave, at its end or before; more calls of leave do nothing.
func (g *gate) enter(fn func(leave func())) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.free == 0 {
		g.waiting = append(g.waiting, fn)
		return
	}
	g.free--
	go fn(sync.OnceFunc(g.leave))
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
	go next(sync.OnceFunc(g.leave))
}
