package daemon

import (
	"context"
	"sync"
	"sync/atomic"

	"golang.org/x/sync/errgroup"

	"flowkeeper/inventory"
)

// scopeLoops runs the loops of each scope: the restorer, the refreshes and the rehearsals. They
// begin when the scope comes to the fleet, and end when it leaves it or when the daemon ends. It
// is safe for concurrent use.
type scopeLoops struct {
	d   *Daemon
	ctx context.Context // of the daemon
	g   *errgroup.Group

	mu      sync.Mutex
	running map[inventory.Scope]*scopeLoop // also those that have been stopped and have not ended
}

// scopeLoop is the loops of one scope.
type scopeLoop struct {
	cancel  context.CancelFunc
	stopped bool          // guarded by the mutex of scopeLoops
	ended   chan struct{} // closed when all loops have ended
}

// newScopeLoops returns scopeLoops whose goroutines are g's. ctx ends all.
func newScopeLoops(ctx context.Context, g *errgroup.Group, d *Daemon) *scopeLoops {
	return &scopeLoops{d: d, ctx: ctx, g: g, running: map[inventory.Scope]*scopeLoop{}}
}

// start starts the loops of a scope, unless they run, or the scope is not in the fleet any more.
// Where earlier ones have not ended yet, those wait for these: two restorers of a scope must
// not work at the same time.
func (l *scopeLoops) start(s inventory.Scope) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if _, ours := l.d.fleet.EC2(s); !ours {
		return
	}
	before := l.running[s]
	if before != nil && !before.stopped {
		return
	}
	ctx, cancel := context.WithCancel(l.ctx)
	this := &scopeLoop{cancel: cancel, ended: make(chan struct{})}
	l.running[s] = this
	name := "restore " + s.String()
	var restoring func() // ends the task of the restorer
	begin := sync.OnceFunc(func() {
		if before != nil {
			<-before.ended
		}
		restoring = l.d.progress.Task(name, maxSilence)
	})
	loops := []func() error{
		func() error { return l.d.remediator.Run(ctx, s, func() { l.d.progress.Beat(name) }) },
		func() error { return l.d.refreshes.run(ctx, s) },
		func() error { return rehearsals{l.d}.run(ctx, s) },
	}
	var left atomic.Int32
	left.Store(int32(len(loops)))
	for _, loop := range loops {
		l.g.Go(func() error {
			begin()
			err := loop()
			if left.Add(-1) == 0 {
				restoring()
				l.end(s, this)
			}
			return err
		})
	}
}

// end notes that the loops of a scope have ended.
func (l *scopeLoops) end(s inventory.Scope, this *scopeLoop) {
	l.mu.Lock()
	defer l.mu.Unlock()
	this.cancel()
	if this.stopped {
		l.d.refreshes.forget(s)
	}
	if l.running[s] == this {
		delete(l.running, s)
	}
	close(this.ended)
}

// stop ends the loops of scopes that have left the fleet: what they have in hand is finished
// first (I10). It does not wait for that.
func (l *scopeLoops) stop(scopes []inventory.Scope) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, s := range scopes {
		if this := l.running[s]; this != nil {
			this.stopped = true
			this.cancel()
		}
	}
}
