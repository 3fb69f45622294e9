package daemon

import (
	"context"
	"sync"
	"time"

	"github.com/robfig/cron/v3"

	"flowkeeper/internal/retry"
	"flowkeeper/inventory"
)

// refreshes decides when each scope is refreshed: at the start, on the schedule, soon
// after a record that names no flow log, and soon after a failure. Each scope has a
// goroutine of its own, so that one that fails or is slow holds up no other.
type refreshes struct {
	d        *Daemon
	schedule cron.Schedule
	slots    chan struct{} // holds one for each refresh that AWS answers

	mu     sync.Mutex                          // guards scopes, and what is in them
	scopes map[inventory.Scope]*scopeRefreshes // see state
}

const (
	parallelScopes = 8
	slotPatience   = 5 * time.Second  // without an answer of AWS, after which a refresh gives its slot back
	requestPause   = 30 * time.Second // between two refreshes of a scope that records or failures asked for
	pruneEvery     = time.Hour
)

func newRefreshes(d *Daemon) *refreshes {
	r := &refreshes{d: d, schedule: d.schedules.refresh, slots: make(chan struct{}, parallelScopes), scopes: map[inventory.Scope]*scopeRefreshes{}}
	for _, s := range d.fleet.Scopes() {
		r.state(s).since = time.Time{}
	}
	return r
}

// run refreshes a scope until ctx ends.
func (r *refreshes) run(ctx context.Context, s inventory.Scope) error {
	r.repeat(ctx, s, func() { r.refresh(ctx, s) })
	return nil
}

// repeat calls refresh at once, and then on the schedule and on request until ctx
// ends. What is requested while it runs begins after it; what the schedule would begin
// then is left out.
func (r *refreshes) repeat(ctx context.Context, s inventory.Scope, refresh func()) {
	for scheduled := time.Now(); ctx.Err() == nil; {
		now := time.Now()
		requested, due, wake := r.request(s, now)
		if scheduled.After(now) && !due {
			if requested.IsZero() || scheduled.Before(requested) {
				requested = scheduled
			}
			retry.Wait(ctx, time.Until(requested), wake)
			continue
		}
		if !scheduled.After(now) {
			scheduled = r.schedule.Next(now)
		}
		refresh()
		if now = time.Now(); !scheduled.After(now) {
			scheduled = r.schedule.Next(now)
		}
	}
}

// request takes what was requested for a scope and is due. next is when the next
// request is due, zero for none; wake can be received from when that changes.
func (r *refreshes) request(s inventory.Scope, now time.Time) (next time.Time, due bool, wake <-chan struct{}) {
	r.mu.Lock()
	defer r.mu.Unlock()
	st := r.state(s)
	due = st.requests.take(now, r.followUpPause())
	return st.requests.next(), due, st.wake
}

// followUpPause is how long after a record every answer of AWS shows what the record reports.
func (r *refreshes) followUpPause() time.Duration { return r.d.Config.Inventory.Settle + time.Second }

// soon asks for a refresh of one scope, or of all, because of a record. It never blocks, and
// ignores a scope that is none of the fleet's.
func (r *refreshes) soon(scope inventory.Scope, all bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for s, st := range r.scopes {
		if all || s == scope {
			st.requests.addRecord(time.Now(), r.followUpPause())
			st.wakeUp()
		}
	}
}

// again asks for a refresh of a scope after a failure: the schedule may be slow.
func (r *refreshes) again(s inventory.Scope) {
	r.mu.Lock()
	defer r.mu.Unlock()
	st := r.state(s)
	st.requests.add(time.Now())
	st.wakeUp()
}
