package daemon

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"slices"
	"time"

	"flowkeeper/alert"
	"flowkeeper/internal/pipeline"
	"flowkeeper/internal/retry"
	"flowkeeper/inventory"
)

// scopeRefreshes is the state of one scope's refreshes. The mutex of refreshes guards it.
type scopeRefreshes struct {
	outage      *pipeline.Outage // its Alert and End are called by the scope's refresh alone
	nth         int              // of the scopes, in the order in which they came to the fleet
	since       time.Time        // when the scope came to the fleet; zero: it was there at the start
	first       bool             // its first refresh is part of the first round, and is not over
	refreshedAt time.Time        // when the last complete refresh since the start ended; zero: there was none
	took        time.Duration    // how long that refresh took, with its wait for a slot: the next one waits too
	disabled    bool             // not refreshed: the Region is not enabled any more
	hangs       bool             // AWS has not answered the refresh under way for slotPatience
	leave       func()           // gives back the slot of the last refresh that has begun
	callTimer   *time.Timer      // of its call to AWS under way; sets hangs. nil: there is none

	timer     *time.Timer // calls beginDue when something is due; nil: refreshes have not begun
	busy      bool        // a refresh is under way, or waits for a slot
	scheduled time.Time   // the next one on the schedule
	requests  requests
}

func (st *scopeRefreshes) refreshed() bool { return !st.refreshedAt.IsZero() }

func (st *scopeRefreshes) failing() bool { return st.outage.Failures() > 0 }

// works reports whether the last refresh was complete.
func (st *scopeRefreshes) works() bool { return st.refreshed() && !st.failing() }

// refreshedAgain is the text of the end of an outage of a scope.
const refreshedAgain = "the inventory can be refreshed again"

// newGrace is how long readiness and the heartbeat do not wait for the first refresh of a
// Region that is found while the daemon runs.
const newGrace = 5 * time.Minute

// isNew reports whether the scope came to the fleet less than newGrace ago.
func (st *scopeRefreshes) isNew() bool { return time.Since(st.since) < newGrace }

// state returns the state of a scope, and makes it if there is none. A scope that was not
// there at the start is new from then on. The caller holds mu.
func (r *refreshes) state(s inventory.Scope) *scopeRefreshes {
	st := r.scopes[s]
	if st == nil {
		st = &scopeRefreshes{outage: pipeline.New(outbox{r.d}, s, alert.PartRefresh, refreshedAgain), since: time.Now(), nth: r.came}
		r.scopes[s] = st
		r.came++
	}
	return st
}

// forget forgets a scope that has left the fleet, where nothing runs any more. If the scope comes back,
// it is new.
func (r *refreshes) forget(s inventory.Scope) {
	r.mu.Lock()
	last := false
	if st := r.scopes[s]; st != nil {
		_, last = r.first.over(st, inventory.Counts{}, true)
		if st.timer != nil {
			st.timer.Stop()
		}
	}
	delete(r.scopes, s)
	delete(r.alerts.scopes, s)
	r.mu.Unlock()
	if last {
		r.first.log(r.d.Log)
	}
}

// share is how many of the scopes are refreshed.
type share struct{ refreshed, all int }

func (s share) String() string { return fmt.Sprintf("%d of %d scopes", s.refreshed, s.all) }

// all yields the state of each scope of the fleet. It holds mu meanwhile.
func (r *refreshes) all() iter.Seq2[inventory.Scope, *scopeRefreshes] {
	return func(yield func(inventory.Scope, *scopeRefreshes) bool) {
		r.mu.Lock()
		defer r.mu.Unlock()
		for _, s := range r.d.fleet.Scopes() {
			if !yield(s, r.state(s)) {
				return
			}
		}
	}
}

// overview answers questions about the refreshes of all scopes.
type overview struct{ *refreshes }

func (r *refreshes) overview() overview { return overview{r} }

// share counts the scopes whose last refresh was complete, and all. Those whose Region is not
// enabled are left out.
func (o overview) share() (n share) {
	for _, st := range o.all() {
		if st.disabled {
			continue
		}
		n.all++
		if st.works() {
			n.refreshed++
		}
	}
	return n
}

// untried returns the scopes whose first refresh since the start is not over. One that AWS
// refuses or does not answer counts as over.
func (o overview) untried() (out []inventory.Scope) {
	for s, st := range o.all() {
		over := st.refreshed() || st.failing() || st.hangs
		if !over && !st.disabled && !st.isNew() {
			out = append(out, s)
		}
	}
	return out
}

// ready returns an error unless the first refresh of each scope is over, and one at least was
// complete.
func (o overview) ready() error {
	if len(o.untried()) > 0 {
		return errors.New("the first refresh is not done yet")
	}
	for _, st := range o.all() {
		if st.refreshed() {
			return nil
		}
	}
	return errors.New("no scope could be refreshed yet")
}

// refreshed reports whether the last refresh of one of an account's scopes was complete.
func (o overview) refreshed(account string) bool {
	for s, st := range o.all() {
		if s.Account == account && st.works() {
			return true
		}
	}
	return false
}

// freshGrace is how late a refresh may be.
const freshGrace = time.Minute

// fresh returns an error if a scope's last complete refresh is too old: the schedule had two
// more since, and the time that it took has passed too. A scope whose refresh fails or gets
// no answer has an alert of its own, and counts here only if no other scope is left.
func (o overview) fresh() error {
	counted, failing := 0, error(nil)
	for s, st := range o.all() {
		switch {
		case st.disabled || !st.refreshed() && st.isNew():
			continue
		case st.failing() || st.hangs:
			failing = fmt.Errorf("no scope can be refreshed, %s neither", s)
			continue
		case !st.refreshed():
			return fmt.Errorf("%s has not been refreshed yet", s)
		}
		counted++
		due := o.d.refreshing.Next(o.d.refreshing.Next(st.refreshedAt)).Add(st.took + freshGrace)
		if time.Now().After(due) {
			return fmt.Errorf("the last refresh of %s ended %s ago", s, time.Since(st.refreshedAt).Round(time.Second))
		}
	}
	if counted == 0 {
		return failing
	}
	return nil
}

// has reports whether a scope is the fleet's.
func (o overview) has(s inventory.Scope) bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.scopes[s] != nil
}

func (o overview) isFailing(s inventory.Scope) bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	st := o.scopes[s]
	return st != nil && st.failing()
}

func (o overview) isDisabled(s inventory.Scope) bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	st := o.scopes[s]
	return st != nil && st.disabled
}

// alerted counts the scopes that are refreshed often because of an event.
func (o overview) alerted() int {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.alerts.count(time.Now())
}

// firstRefresh is how long receiving waits for the first refreshes of an empty state file:
// messages may be about flow logs that are in it a moment later.
const firstRefresh = 5 * time.Second

// awaitFirst waits until every scope has had its first refresh, now or according to the state
// file, but for most at most.
func (o overview) awaitFirst(ctx context.Context, most time.Duration) {
	ctx, cancel := context.WithTimeout(ctx, most)
	defer cancel()
	stored, err := o.d.store.FirstRefreshed(ctx)
	if err != nil {
		o.d.Log.Warn("which scopes were refreshed before can't be read; waiting for the refresh of all", "error", err)
	}
	known := func(s inventory.Scope) bool { return stored[s] }
	for ctx.Err() == nil && len(slices.DeleteFunc(o.untried(), known)) > 0 {
		retry.Sleep(ctx, 50*time.Millisecond)
	}
}

// Refreshed reports whether the first refresh of every scope is over since the
// start, and one at least was complete.
func (d *Daemon) Refreshed() bool { return d.connected.Load() && d.refreshes.overview().ready() == nil }
