package remediate

import (
	"context"
	"sync"
	"time"
)

const (
	idle    = 45 * time.Second // the longest between two turns, so that the restorer shows progress
	unasked = 10 * time.Minute // the longest between two steps, also if nothing is due
)

// turns are those of one scope's restorer, one after the other, until ctx ends. In a turn it asks what is due,
// and does a step if something is. Between two turns there is a timer and no goroutine, so that thousands of
// scopes can wait.
type turns struct {
	restorer  func() restorer // makes one for each turn: one for each of thousands of scopes would take megabytes
	ctx       context.Context
	keepAlive func()
	ended     func()

	// Those of the turn under way, once start has set them.
	progress progress
	stepped  time.Time     // when the last step began
	most     time.Duration // the longest until the next turn

	mu       sync.Mutex  // guards what follows
	timer    *time.Timer // begins the next turn
	underway bool        // a turn is; or all have ended
	asked    bool        // for a turn, while begin could not begin one
}

// start begins the first turn, and returns at once. ended is called once, after the last turn. Restorers of thousands
// of scopes start at the same time. So that not all of them work at once, the first step that is done though
// nothing is due, and the next turn, come after a random share (from 0 to 1) of the usual time.
func (t *turns) start(now time.Time, share float64) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.progress.said = now
	t.stepped, t.most = now.Add(-time.Duration(share*float64(unasked))), idle-time.Duration(share*float64(idle))
	t.timer = time.AfterFunc(0, t.begin)
	context.AfterFunc(t.ctx, t.begin) // which finds that all is over
}

// begin begins a turn, or has another one follow that under way. It does not block.
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

// work has one turn after the other until there is time between two, or all are over.
func (t *turns) work() {
	for t.ctx.Err() == nil {
		if t.restsFor(t.turn()) {
			return
		}
	}
	t.ended()
}

// restsFor ends a turn, and reports whether there is a pause before the next one. Another one that was asked for
// meanwhile follows at once.
func (t *turns) restsFor(pause time.Duration) bool {
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
	longAgo := now.Sub(t.stepped) >= unasked || now.Before(t.stepped) // the clock has gone back
	w, err := r.due(t.ctx, longAgo)
	if err != nil || longAgo || w.isDue {
		t.stepped = now
		return r.workOff(t.ctx, w, err, t.keepAlive, &t.progress)
	}
	pause = min(r.rest(w.next), t.most)
	t.most = idle
	return pause
}
