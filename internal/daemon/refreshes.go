package daemon

import (
	"context"
	"sync"
	"time"

	"flowkeeper/internal/retry"
	"flowkeeper/inventory"
	"flowkeeper/remediate/incident"
)

// refreshes decides when each scope is refreshed: at the start, on the schedule, soon
// after a record that names no flow log, soon after a failure, and often after an event in
// its account. Each scope has a goroutine of its own, so that one that fails or is slow
// holds up no other.
type refreshes struct {
	d          *Daemon
	slots      chan struct{} // holds one for each refresh that AWS answers
	accounts   *accountOutages
	regions    *placeOutages
	alertSlots chan struct{} // holds one for each refresh because of an event: those leave slots to the others

	mu     sync.Mutex                          // guards scopes, and what is in them, and all below
	scopes map[inventory.Scope]*scopeRefreshes // see state
	came   int                                 // scopes came to the fleet so far
	first  firstRound
	alerts alertRefreshes
}

const (
	slotPatience = 5 * time.Second  // without an answer of AWS, after which a refresh gives its slot back
	requestPause = 30 * time.Second // between two refreshes of a scope that records or failures asked for
)

func newRefreshes(d *Daemon) *refreshes {
	most := d.Config.Inventory.MaxConcurrent
	r := &refreshes{
		d: d, slots: make(chan struct{}, most), alertSlots: make(chan struct{}, max(1, most/2)),
		accounts: newAccountOutages(d), regions: newRegionOutages(d), scopes: map[inventory.Scope]*scopeRefreshes{}, alerts: newAlertRefreshes(d.Config.Inventory.AlertRefresh),
	}
	r.first.began = time.Now()
	for _, s := range d.fleet.Scopes() {
		st := r.state(s)
		st.since, st.first = time.Time{}, true
		r.first.scopes++
	}
	r.first.left = r.first.scopes
	return r
}

// run refreshes a scope until ctx ends.
func (r *refreshes) run(ctx context.Context, s inventory.Scope) error {
	r.repeat(ctx, s,
		func() { r.refresh(ctx, s, r.d.remediator.Refresh) },
		func() bool { return r.refreshAlerted(ctx, s) })
	return nil
}

// repeat calls refresh at once, and then on the schedule and on request until ctx
// ends. What is requested while it runs begins after it; what the schedule would begin
// then is left out. After an event in the scope's account it calls alerted in between,
// which reports whether it could refresh; if not, it is called again soon.
func (r *refreshes) repeat(ctx context.Context, s inventory.Scope, refresh func(), alerted func() bool) {
	for scheduled := time.Now(); ctx.Err() == nil; {
		now := time.Now()
		t := r.turn(s, scheduled, now)
		if !t.refresh && !t.alerted {
			retry.Wait(ctx, time.Until(t.next), t.wake)
			continue
		}
		if !scheduled.After(now) {
			scheduled = r.scheduled(s, now)
		}
		if t.refresh {
			refresh()
		} else if !alerted() {
			r.delayAlerted(s)
		}
		if now = time.Now(); !scheduled.After(now) {
			scheduled = r.scheduled(s, now)
		}
	}
}

// scheduled returns when the schedule has a scope refreshed next after a time.
func (r *refreshes) scheduled(s inventory.Scope, after time.Time) time.Time {
	r.mu.Lock()
	defer r.mu.Unlock()
	return place{r.first.began, r.state(s).nth}.next(r.d.refreshing, after)
}

// turn says what is due in a scope.
type turn struct {
	refresh bool            // on the schedule or on request
	alerted bool            // only because of an event in the account
	next    time.Time       // when something is due, unless it is now
	wake    <-chan struct{} // can be received from when that changes
}

// turn takes what is due in a scope, whose next scheduled refresh is given: it begins now.
func (r *refreshes) turn(s inventory.Scope, scheduled, now time.Time) turn {
	r.mu.Lock()
	defer r.mu.Unlock()
	st := r.state(s)
	requested := st.requests.take(now, r.followUpPause())
	alerted := r.alerts.next(s, now)
	t := turn{next: incident.Soonest(scheduled, st.requests.next(), alerted), wake: st.wake}
	t.refresh = requested || !scheduled.After(now)
	t.alerted = !t.refresh && !alerted.IsZero() && !alerted.After(now)
	if t.refresh || t.alerted {
		r.alerts.begun(s, now)
	}
	return t
}

// followUpPause is how long after a record every answer of AWS shows what the record reports.
func (r *refreshes) followUpPause() time.Duration { return r.d.Config.Inventory.Settle + time.Second }

// soon asks for a refresh of one scope, or of all of an account, because of a record. It never
// blocks, and ignores what is none of the fleet's. all without an account is the whole fleet.
func (r *refreshes) soon(scope inventory.Scope, all bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	ask := func(st *scopeRefreshes) {
		st.requests.addRecord(time.Now(), r.followUpPause())
		st.wakeUp()
	}
	if st := r.scopes[scope]; st != nil && !all {
		ask(st)
	}
	if all {
		for s, st := range r.scopes {
			if scope.Account == "" || scope.Account == s.Account {
				ask(st)
			}
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

// alert has the scopes of an account refreshed often, because of an event in one of them. It never blocks, and ignores
// an account that has none of the fleet's scopes.
func (r *refreshes) alert(in inventory.Scope) {
	r.mu.Lock()
	defer r.mu.Unlock()
	now := time.Now()
	if r.alerts.ignores(in.Account, now) {
		return
	}
	var scopes []inventory.Scope
	for s := range r.scopes {
		if s.Account == in.Account && s != in {
			scopes = append(scopes, s)
		}
	}
	if r.scopes[in] != nil {
		scopes = append(scopes, in)
	}
	if len(scopes) == 0 {
		return
	}
	r.alerts.note(in.Account, scopes, now)
	for _, s := range scopes {
		r.scopes[s].wakeUp()
	}
}

// delayAlerted lets the refresh of a scope that is due because of an event wait.
func (r *refreshes) delayAlerted(s inventory.Scope) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.alerts.delay(s, time.Now().Add(alertRefreshSlow))
}

// refreshAlerted refreshes a scope because of an event in its account. It reports false if that has to wait: for other
// such refreshes, or for the restores of the scope.
func (r *refreshes) refreshAlerted(ctx context.Context, s inventory.Scope) bool {
	if r.isFailing(s) {
		return true // it is tried again anyway
	}
	select {
	case r.alertSlots <- struct{}{}:
	default:
		return false
	}
	defer func() { <-r.alertSlots }()
	if !r.d.remediator.AllowSparing(s) {
		return false
	}
	r.refresh(ctx, s, r.d.remediator.RefreshSparingly)
	return true
}
