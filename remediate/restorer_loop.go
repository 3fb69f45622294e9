package remediate

import (
	"context"
	"sync"
	"time"
)

const (
	idle      = 45 * time.Second // the longest between two passes, so that the restorer shows progress
	stepEvery = 10 * time.Minute // the longest between two steps, even if nothing is due
)

// restorerLoop runs the restorer of one scope until ctx ends, in one pass after the other. A pass asks what is due, and
// does a step if something is. Between two passes there is a timer and no goroutine, so that thousands of scopes can
// wait.
type restorerLoop struct {
	restorer  func() restorer // makes the one of a pass: to keep one for each of thousands of scopes would take megabytes
	ctx       context.Context
	keepAlive func()
	ended     func()

	// Used only by the pass under way, once start has set them.
	progress progress
	stepped  time.Time     // when the last step began
	maxPause time.Duration // the longest pause after the next pass that does no step

	mu    sync.Mutex // guards what follows
	state loopState
	timer *time.Timer // begins the next pass
	asked bool        // begin was called before start, or while a pass was under way
}

type loopState int

const (
	pausing loopState = iota // the timer or begin begins the next pass
	atWork                   // a pass is under way
	over                     // ctx has ended, and no pass follows
)

// start begins the first pass, and returns at once. ended is called once, after the last pass. Restorers of thousands
// of scopes start at the same time. So that not all of them work at once, two times are shorter by a random share
// (from 0 to 1): the time until the first step that is done even if nothing is due, and the first pause after a pass
// that does no step.
func (l *restorerLoop) start(now time.Time, share float64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.progress.loggedAt = now
	l.stepped, l.maxPause = now.Add(-time.Duration(share*float64(stepEvery))), idle-time.Duration(share*float64(idle))
	l.timer = time.AfterFunc(0, l.begin)
	context.AfterFunc(l.ctx, func() { l.endFrom(pausing) }) // a pass under way is finished, and then work ends the loop
}

// begin begins a pass. If one is under way, another one follows it. begin does not block.
func (l *restorerLoop) begin() {
	l.mu.Lock()
	defer l.mu.Unlock()
	switch {
	case l.state == over:
	case l.state == atWork, l.timer == nil: // nil: start is about to begin the first one
		l.asked = true
	default:
		l.state = atWork
		l.timer.Stop()
		go l.work()
	}
}

// work does one pass after the other until there is a pause between two, or ctx has ended.
func (l *restorerLoop) work() {
	for l.ctx.Err() == nil {
		if l.endPass(l.pass()) {
			return
		}
	}
	l.endFrom(atWork)
}

// endFrom ends the loop if it is in this state.
func (l *restorerLoop) endFrom(state loopState) {
	l.mu.Lock()
	ends := l.state == state
	if ends {
		l.state = over
		l.timer.Stop()
	}
	l.mu.Unlock()
	if ends {
		l.ended()
	}
}

// endPass ends a pass, and reports whether there is a pause before the next one. There is none if begin was called
// meanwhile, or ctx has ended.
func (l *restorerLoop) endPass(pause time.Duration) (pauses bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if pause == 0 || l.asked || l.ctx.Err() != nil {
		l.asked = false
		return false
	}
	l.state = pausing
	l.timer.Reset(pause)
	return true
}

// pass asks what is due, does a step if something is, and returns how long to wait before the
// next pass; 0: there may be more to do.
func (l *restorerLoop) pass() (pause time.Duration) {
	r := l.restorer()
	l.keepAlive()
	now := r.store.now()
	longAgo := now.Sub(l.stepped) >= stepEvery || now.Before(l.stepped) // before: the clock has gone back
	w, err := r.due(l.ctx, longAgo)
	if err == nil && !longAgo && !w.isDue {
		pause = min(r.pauseUntil(w.next), l.maxPause)
		l.maxPause = idle
		return pause
	}
	l.stepped = now
	done := 0
	if err == nil {
		done, err = r.reconcile(l.ctx, w, l.keepAlive)
	}
	return r.endStep(l.ctx, done, err, &l.progress)
}
