package remediate

import (
	"context"
	"sync"
	"time"
)

const (
	idle      = 45 * time.Second // the longest between two turns, so that the restorer shows progress
	stepEvery = 10 * time.Minute // the longest between two steps, even if nothing is due
)

// turns are those of one scope's restorer, one after the other, until ctx ends. In a turn it asks what is due,
// and does a step if something is. Between two turns there is a timer and no goroutine, so that thousands of
// scopes can wait.
type turns struct {
	restorer  func() restorer // makes the one of a turn: to keep one for each of thousands of scopes would take megabytes
	ctx       context.Context
	keepAlive func()
	ended     func()

	// Used only by the turn under way, once start has set them.
	progress progress
	stepped  time.Time     // when the last step began
	maxPause time.Duration // the longest pause after the next turn that does no step

	mu       sync.Mutex  // guards what follows
	timer    *time.Timer // begins the next turn
	underway bool        // a turn is under way, or the last one has ended
	asked    bool        // begin was called while it could not begin a turn
}

// start begins the first turn, and returns at once. ended is called once, after the last turn. Restorers of thousands
// of scopes start at the same time. So that not all of them work at once, two times are shorter by a random share
// (from 0 to 1): the time until the first step that is done even if nothing is due, and the first pause after a turn
// that does no step.
func (t *turns) start(now time.Time, share float64) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.progress.loggedAt = now
	t.stepped, t.maxPause = now.Add(-time.Duration(share*float64(stepEvery))), idle-time.Duration(share*float64(idle))
	t.timer = time.AfterFunc(0, t.begin)
	context.AfterFunc(t.ctx, t.begin) // work then calls ended
}

// begin begins a turn. If one is under way, another one follows it. begin does not block.
func (t *turns) begin() {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.underway || t.timer == nil { // nil: start is about to begin the first one
		t.asked = true
		return
	}
	t.underway = true
	t.timer.Stop()
	go t.work()
}

// work has one turn after the other until there is a pause between two, or ctx has ended.
func (t *turns) work() {
	for t.ctx.Err() == nil {
		if t.endTurn(t.turn()) {
			return
		}
	}
	t.ended()
}

// endTurn ends a turn, and reports whether there is a pause before the next one. There is none if begin was called
// meanwhile.
func (t *turns) endTurn(pause time.Duration) (pauses bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if pause == 0 || t.asked {
		t.asked = false
		return false
	}
	t.underway = false
	t.timer.Reset(pause)
	return true
}

// turn asks what is due, does a step if something is, and returns how long to wait before the
// next turn; 0: there may be more to do.
func (t *turns) turn() (pause time.Duration) {
	r := t.restorer()
	t.keepAlive()
	now := r.store.now()
	longAgo := now.Sub(t.stepped) >= stepEvery || now.Before(t.stepped) // before: the clock has gone back
	w, err := r.due(t.ctx, longAgo)
	if err != nil || longAgo || w.isDue {
		t.stepped = now
		return r.workOff(t.ctx, w, err, t.keepAlive, &t.progress)
	}
	pause = min(r.pauseUntil(w.next), t.maxPause)
	t.maxPause = idle
	return pause
}
