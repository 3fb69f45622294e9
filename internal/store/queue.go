package store

import (
	"slices"
	"sync"
	"time"
)

// queue has the updates that wait for a commit. The first caller commits once for all that
// wait, and then appoints the first of those that came meanwhile.
type queue struct {
	mu      sync.Mutex // guards waiting, busy and update.waits
	waiting []*update
	busy    bool // a commit is under way
}

// update is one call of Update: a part of a group commit.
type update struct {
	fn    func(*Tx) error
	waits bool // it waits for another update to share a commit with; queue.mu guards it
	err   error
	done  chan struct{} // closed once the update is on disk, or has failed
	lead  chan struct{} // closed when the caller of this update must commit, for all in the queue
}

// join adds an update, and waits until it is on disk or has failed. lead: it is neither; the
// caller must commit, for all that wait. delay is how long the update may wait for another
// one to share a commit with.
func (q *queue) join(u *update, delay time.Duration) (lead bool) {
	q.mu.Lock()
	u.waits = delay > 0
	q.waiting = append(q.waiting, u)
	q.appoint()
	q.mu.Unlock()
	if delay > 0 {
		t := time.AfterFunc(delay, func() {
			q.mu.Lock()
			defer q.mu.Unlock()
			u.waits = false
			q.appoint()
		})
		defer t.Stop()
	}
	select {
	case <-u.done:
		return false
	case <-u.lead:
		return true
	}
}

// appoint lets the caller of the first update commit, unless a commit is under way, or all
// updates wait for another one to share with. The caller holds mu.
func (q *queue) appoint() {
	if q.busy {
		return
	}
	if n := slices.IndexFunc(q.waiting, func(u *update) bool { return !u.waits }); n >= 0 {
		q.busy = true
		close(q.waiting[n].lead)
	}
}

// take removes all updates that wait, and returns them: they make one commit.
func (q *queue) take() []*update {
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
