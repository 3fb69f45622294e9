package daemon

import (
	"context"
	"fmt"
	"sync"
	"time"

	"flowkeeper/alert"
	"flowkeeper/internal/store"
	"flowkeeper/inventory"
	"flowkeeper/remediate/notify"
)

// regionOutages alerts of scopes that can't be refreshed and have no protected flow logs: a service
// control policy that denies Regions makes hundreds of them. Few have an alert each, of level medium,
// and one stands for the others. It is safe for concurrent use.
type regionOutages struct {
	d     *Daemon
	began time.Time

	mu       sync.Mutex // guards what follows, and is held by alerts and ends
	working  map[inventory.Scope]bool
	failing  map[inventory.Scope]*pipelineOutage // those with an alert of their own
	covered  map[inventory.Scope]bool            // those that together stands for
	together *pipelineOutage
	settled  bool // what a daemon before has left of together is ended
}

func newRegionOutages(d *Daemon) *regionOutages {
	r := &regionOutages{d: d, began: time.Now(), working: map[inventory.Scope]bool{}, failing: map[inventory.Scope]*pipelineOutage{}, covered: map[inventory.Scope]bool{}}
	r.together = r.of(inventory.Scope{}, "the Regions that had no alert of their own can be refreshed again")
	return r
}

func (r *regionOutages) of(s inventory.Scope, recovery string) *pipelineOutage {
	o := r.d.newOutage(s, notify.Refreshing+" medium", recovery)
	o.level = alert.Medium
	return o
}

func (r *regionOutages) ofScope(s inventory.Scope) *pipelineOutage {
	return r.of(s, "the inventory can be refreshed again")
}

// alert alerts of a scope that can't be refreshed, once. It reports false and adds no alert if the
// scope has protected flow logs, or nobody knows: that is more urgent.
func (r *regionOutages) alert(ctx context.Context, s inventory.Scope, err error) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.working[s] = false
	if r.failing[s] != nil || r.covered[s] {
		return true
	}
	var guarded int
	verr := r.d.store.View(ctx, func(tx *store.Tx) (err error) { guarded, err = tx.Guarded(s.Account, s.Region, 1); return err })
	if verr != nil || guarded > 0 {
		return false
	}
	if len(r.failing) >= mostFailing || len(r.covered) > 0 {
		r.covered[s] = true
		if !r.together.wasAlerted(ctx) {
			r.together.alert(ctx, fmt.Sprintf("the inventory can't be refreshed in more than %d Regions of accounts, none of which has protected flow logs: leave out of inventory.regions, or of the account's regions, what is denied on purpose. One of them is %s: %s", mostFailing, s, err))
		}
		return true
	}
	o := r.ofScope(s)
	r.failing[s] = o
	if !o.wasAlerted(ctx) {
		o.alert(ctx, "the inventory can't be refreshed; no protected flow logs are there: "+err.Error())
	}
	return true
}

// works notes that a scope is refreshed.
func (r *regionOutages) works(ctx context.Context, s inventory.Scope) {
	r.mu.Lock()
	defer r.mu.Unlock()
	old := time.Since(r.began) > uncoverAfter
	if r.working[s] && (r.settled || !old) {
		return
	}
	r.settled = old
	o := r.failing[s]
	if o == nil {
		o = r.ofScope(s) // the daemon before may have alerted
	}
	o.end(ctx)
	r.working[s] = o.endStored // else the next refresh ends it
	r.drop(ctx, s)
}

// drop forgets that scopes fail. The caller holds mu.
func (r *regionOutages) drop(ctx context.Context, scopes ...inventory.Scope) {
	before := len(r.covered)
	for _, s := range scopes {
		delete(r.failing, s)
		delete(r.covered, s)
	}
	if len(r.covered) == 0 && (before > 0 || r.settled) {
		r.together.end(ctx)
	}
}

// forget forgets scopes that have left the fleet. Their own alerts stay until they are back and
// work.
func (r *regionOutages) forget(ctx context.Context, scopes []inventory.Scope) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, s := range scopes {
		delete(r.working, s)
	}
	r.drop(ctx, scopes...)
}
