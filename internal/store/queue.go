package store

import (
	"slices"
	"sync"
	"time"
)

// queue has the changes that wait for a commit. The first caller commits once for all that
// wait, and then appoints the first of those that came meanwhile.
type queue struct {
	mu      sync.Mutex // guards what follows, and what of the changes it is said of
	waiting []*change
	busy    bool // a commit is under way
}

// change is one caller's part of a group commit.
type change struct {
	fn    func(*Tx) error
	waits bool // for another one to share a commit with; queue.mu guards it
	err   error
	done  chan struct{} // closed once it is on disk, or has failed
	lead  chan struct{} // closed once its caller is to commit, for all in the queue
}

// join waits until a change is on disk, or has failed; or it reports that the change's
// caller is to commit, for all that wait. For delay at most it waits for another change
// to share a commit with.
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

// appoint has the first in the queue commit, unless a commit is under way, or all of them wait
// for another change. The caller holds mu.
func (q *queue) appoint() {
	if q.busy {
		return
	}
	if n := slices.IndexFunc(q.waiting, func(c *change) bool { return !c.waits }); n >= 0 {
		q.busy = true
		close(q.waiting[n].lead)
	}
}

// take returns what one commit is to hold: all that wait.
func (q *queue) take() []*change {
	q.mu.Lock()
	defer q.mu.Unlock()
	group := q.waiting
	q.waiting = nil
	return group
}

// next has the first of those who have come meanwhile commit.
func (q *queue) next() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.busy = false
	q.appoint()
}
