package store

import (
	"slices"
	"sync"
	"time"
)

// queue has the changes that wait for a commit. The first caller commits once for all that
// wait, and then appoints the first of those that came meanwhile.
type queue struct {
	mu      sync.Mutex // guards waiting, busy and change.waits
	waiting []*change
	busy    bool // a commit is under way
}

// change is one caller's part of a group commit.
type change struct {
	fn    func(*Tx) error
	waits bool // it waits for another change to share a commit with; queue.mu guards it
	err   error
	done  chan struct{} // closed once the change is on disk, or has failed
	lead  chan struct{} // closed when the caller of this change must commit, for all in the queue
}

// join adds a change, and waits until it is on disk or has failed. lead: it is neither; the
// caller must commit, for all that wait. delay is how long the change may wait for another
// one to share a commit with.
func (q *queue) join(c *change, delay time.Duration) (lead bool) {
	q.mu.Lock()
	c.waits = delay > 0
	q.waiting = append(q.waiting, c)
	q.appoint()
	q.mu.Unlock()
	if delay > 0 {
		t := time.AfterFunc(delay, func() {
			q.mu.Lock()
			defer q.mu.Unlock()
			c.waits = false
			q.appoint()
		})
		defer t.Stop()
	}
	select {
	case <-c.done:
		return false
	case <-c.lead:
		return true
	}
}

// appoint lets the caller of the first change commit, unless a commit is under way, or all
// changes wait for another one to share with. The caller holds mu.
func (q *queue) appoint() {
	if q.busy {
		return
	}
	if n := slices.IndexFunc(q.waiting, func(c *change) bool { return !c.waits }); n >= 0 {
		q.busy = true
		close(q.waiting[n].lead)
	}
}

// take removes all changes that wait, and returns them: they make one commit.
func (q *queue) take() []*change {
	q.mu.Lock()
	defer q.mu.Unlock()
	group := q.waiting
	q.waiting = nil
	return group
}

// next ends a commit, and lets the first of the callers that came meanwhile commit.
func (q *queue) next() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.busy = false
	q.appoint()
}
