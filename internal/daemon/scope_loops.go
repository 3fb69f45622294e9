package daemon

import (
	"context"
	"sync"

	"flowkeeper/inventory"
)

// scopeLoops runs the restorer of each scope, and its tasks: refreshes and rehearsals. They begin
// when the scope comes to the fleet, and end when it leaves the fleet or the daemon ends. It is safe
// for concurrent use.
type scopeLoops struct {
	d   *Daemon
	ctx context.Context // of the daemon
	all sync.WaitGroup  // the scopeLoop of every scope

	mu      sync.Mutex                     // guards what follows
	over    bool                           // no scope begins any more
	running map[inventory.Scope]*scopeLoop // also those that have been stopped and have not ended
}

// scopeLoop is what runs in one scope. The mutex of scopeLoops guards it.
type scopeLoop struct {
	ctx     context.Context
	cancel  context.CancelFunc
	stopped bool
	tasks   int           // under way, the restorer too; 0: it has not begun, or has ended
	ended   chan struct{} // closed when all have ended
}

// newScopeLoops returns scopeLoops that ctx ends.
func newScopeLoops(ctx context.Context, d *Daemon) *scopeLoops {
	return &scopeLoops{d: d, ctx: ctx, running: map[inventory.Scope]*scopeLoop{}}
}

// wait returns once ctx has ended, and then everything that runs in scopes.
func (l *scopeLoops) wait() {
	<-l.ctx.Done()
	l.mu.Lock()
	l.over = true
	l.mu.Unlock()
	l.all.Wait()
}

// start starts the restorer and the tasks of a scope. It does nothing if they run already, or if the
// scope has left the fleet. If earlier ones were stopped and have not ended, the new ones wait for
// them: two restorers of a scope must not work at the same time.
func (l *scopeLoops) start(s inventory.Scope) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if _, ours := l.d.fleet.EC2(s); !ours || l.over {
		return
	}
	before := l.running[s]
	if before != nil && !before.stopped {
		return
	}
	this := &scopeLoop{ended: make(chan struct{})}
	this.ctx, this.cancel = context.WithCancel(l.ctx)
	l.running[s] = this
	l.all.Add(1)
	if before == nil {
		l.run(s, this)
		return
	}
	go func() {
		<-before.ended
		l.mu.Lock()
		defer l.mu.Unlock()
		l.run(s, this)
	}()
}

// run restores a scope until its context ends. The caller holds mu.
func (l *scopeLoops) run(s inventory.Scope, this *scopeLoop) {
	this.tasks = 1
	name := "restore " + s.String()
	restored := l.d.progress.Task(name, maxSilence)
	l.d.refreshes.begin(s)
	l.d.remediator.Start(this.ctx, s, func() { l.d.progress.KeepAlive(name) }, func() {
		restored()
		this.cancel() // no more tasks begin
		l.done(s, this)
	})
}

// begin notes that a task of a scope begins. It returns the context of the task, and done, which the
// task calls at its end. ok is false if none may begin, because the scope is not in the fleet or the
// daemon ends.
func (l *scopeLoops) begin(s inventory.Scope) (ctx context.Context, done func(), ok bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	this := l.running[s]
	if this == nil || this.tasks == 0 || this.ctx.Err() != nil {
		return nil, nil, false
	}
	this.tasks++
	return this.ctx, func() { l.done(s, this) }, true
}

// done notes that the restorer or a task of a scope has ended.
func (l *scopeLoops) done(s inventory.Scope, this *scopeLoop) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if this.tasks--; this.tasks > 0 {
		return
	}
	if this.stopped {
		l.d.refreshes.forget(s)
	}
	if l.running[s] == this {
		delete(l.running, s)
	}
	close(this.ended)
	l.all.Done()
}

// stop ends what runs in scopes that have left the fleet: work that has begun is finished first (I10).
// It does not wait for that.
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
