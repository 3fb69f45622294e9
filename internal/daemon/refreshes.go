package daemon

import (
	"log/slog"
	"sync"
	"time"

	"golang.org/x/sync/semaphore"

	"flowkeeper/internal/pipeline"
	"flowkeeper/inventory"
	"flowkeeper/remediate/incident"
)

// refreshes decides when each scope is refreshed: at the start, on the schedule, soon
// after a record that names no flow log, soon after a failure, and often after an event in
// its account. A scope that waits has a timer and no goroutine; a refresh has a goroutine of its
// own, so that one that fails or is slow holds up no other.
type refreshes struct {
	d           *Daemon
	begins      func(s inventory.Scope, alerted bool) // refreshes a scope without waiting for it, and calls over at its end
	slots       *gate                                 // for refreshes, except while AWS does not answer them
	accounts    *accountOutages
	regions     *pipeline.Places
	regionLines *failureLines
	alertSlots  *semaphore.Weighted // for refreshes because of an event: they must leave slots to the others

	mu     sync.Mutex                          // guards scopes, and what is in them, and all below
	scopes map[inventory.Scope]*scopeRefreshes // see state
	came   int                                 // how many scopes have come to the fleet so far
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
		d: d, slots: newGate(most), alertSlots: semaphore.NewWeighted(int64(max(1, most/2))),
		accounts: newAccountOutages(d), regions: newRegionOutages(d), regionLines: newRegionLines(d), scopes: map[inventory.Scope]*scopeRefreshes{}, alerts: newAlertRefreshes(d.Config.Inventory.AlertRefresh),
	}
	r.begins = r.beginRefresh
	r.first.began = time.Now()
	for _, s := range d.fleet.Scopes() {
		st := r.state(s)
		st.since, st.first = time.Time{}, true
		r.first.scopes++
	}
	r.first.left = r.first.scopes
	return r
}

// begin begins the refreshes of a scope: one at once, and then on the schedule and on request. A
// refresh that is requested while another runs begins after it; one on the schedule is left out.
func (r *refreshes) begin(s inventory.Scope) {
	r.mu.Lock()
	defer r.mu.Unlock()
	st := r.state(s)
	st.scheduled = time.Now()
	st.timer = time.AfterFunc(0, func() { r.beginDue(s) })
}

// beginDue begins what is due in a scope. Its timer calls it.
func (r *refreshes) beginDue(s inventory.Scope) {
	if begins, alerted := r.take(s, time.Now()); begins {
		r.begins(s, alerted)
	}
}

// take reports whether something is due in a scope, which begins now, and whether only because of an
// event in the account.
func (r *refreshes) take(s inventory.Scope, now time.Time) (begins, alerted bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	st := r.scopes[s]
	if st == nil || st.timer == nil || st.busy { // no timer: an old timer made this call, before the scope left and came back
		return false, false
	}
	regular := st.requests.take(now, r.followUpPause()) || !st.scheduled.After(now)
	next := r.alerts.next(s, now)
	if afterEvent := !next.IsZero() && !next.After(now); !regular && !afterEvent {
		r.plan(s, st)
		return false, false
	}
	r.alerts.begun(s, now)
	st.busy = true
	r.schedule(st, now)
	return true, !regular
}

// over notes that the refresh that beginDue began in a scope is over.
func (r *refreshes) over(s inventory.Scope) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if st := r.scopes[s]; st != nil {
		st.busy = false
		r.schedule(st, time.Now())
		r.plan(s, st)
	}
}

// schedule moves the scheduled time of a scope beyond now: a refresh begins now, or is left out. The
// caller holds mu.
func (r *refreshes) schedule(st *scopeRefreshes, now time.Time) {
	if !st.scheduled.After(now) {
		st.scheduled = spread{r.first.began, st.nth}.next(r.d.refreshing, now)
	}
}

// plan sets a scope's timer to when something is due there, unless a refresh is under way. The
// caller holds mu.
func (r *refreshes) plan(s inventory.Scope, st *scopeRefreshes) {
	if st.timer != nil && !st.busy {
		now := time.Now()
		st.timer.Reset(incident.Soonest(st.scheduled, st.requests.next(), r.alerts.next(s, now)).Sub(now))
	}
}

// beginRefresh refreshes a scope once there is a slot: on the schedule or on request, or only
// because of an event in the account.
func (r *refreshes) beginRefresh(s inventory.Scope, alerted bool) {
	ctx, done, ok := r.d.scopeLoops.begin(s)
	if !ok {
		return
	}
	over := func() { r.over(s); done() }
	snapshot, free := r.d.remediator.Refresh, func() {}
	if alerted {
		if free = r.takeAlertSlot(s); free == nil {
			over()
			return
		}
		snapshot = r.d.remediator.RefreshSparingly
	}
	asked := time.Now()
	r.slots.enter(ctx, func(leave func()) {
		r.refresh(ctx, s, snapshot, asked, leave)
		free()
		over()
	})
}

// followUpPause is how long after a record every answer of AWS shows what the record reports.
func (r *refreshes) followUpPause() time.Duration { return r.d.Config.Inventory.Settle + time.Second }

// Soon asks for a refresh of one scope, because of a record. It never blocks, and ignores a scope that the fleet does
// not have.
func (r *refreshes) Soon(s inventory.Scope) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if st := r.scopes[s]; st != nil {
		st.requests.addRecord(time.Now(), r.followUpPause())
		r.plan(s, st)
	}
}

// AccountSoon is Soon for each scope of an account; empty: of all accounts.
func (r *refreshes) AccountSoon(account string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for s, st := range r.scopes {
		if account == "" || account == s.Account {
			st.requests.addRecord(time.Now(), r.followUpPause())
			r.plan(s, st)
		}
	}
}

// again asks for a refresh of a scope after a failure: the schedule may be slow.
func (r *refreshes) again(s inventory.Scope) {
	r.mu.Lock()
	defer r.mu.Unlock()
	st := r.state(s)
	st.requests.add(time.Now())
	r.plan(s, st)
}

// Often has the scopes of an account refreshed often, because of an event in one of them. It never blocks, and ignores
// an account that has none of the fleet's scopes.
func (r *refreshes) Often(in inventory.Scope) {
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
		r.plan(s, r.scopes[s])
	}
}

// takeAlertSlot takes a slot for a refresh of a scope because of an event in its account; free gives it
// back. free is nil if there must be no such refresh now: either it has to wait for others, or for the
// restores of the scope, and is due again soon; or refreshes of the scope fail, and are tried again
// anyway.
func (r *refreshes) takeAlertSlot(s inventory.Scope) (free func()) {
	if r.overview().isFailing(s) {
		return nil
	}
	if r.alertSlots.TryAcquire(1) {
		if r.d.remediator.AllowSparing(s) {
			return func() { r.alertSlots.Release(1) }
		}
		r.alertSlots.Release(1)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.alerts.delay(s, time.Now().Add(alertRefreshSlow))
	return nil
}

// firstRound is the first refreshes of the scopes that are there at the start. One line of log
// sums them up. The mutex of refreshes guards it.
type firstRound struct {
	began        time.Time
	scopes, left int
	failed       int
	sum          inventory.Counts
}

// over notes the end of the first refresh of a scope: its counts, or that it failed. It reports
// whether it was part of the round, and whether it was the last of several: then the round is to
// be logged. The caller holds mu.
func (f *firstRound) over(st *scopeRefreshes, c inventory.Counts, failed bool) (part, last bool) {
	if !st.first {
		return false, false
	}
	st.first = false
	f.left--
	if failed {
		f.failed++
	}
	f.sum.Listed, f.sum.New, f.sum.Changed, f.sum.Lost = f.sum.Listed+c.Listed, f.sum.New+c.New, f.sum.Changed+c.Changed, f.sum.Lost+c.Lost
	return f.scopes > 1, f.scopes > 1 && f.left == 0
}

// log logs the round. Once it is over, nobody changes it.
func (f *firstRound) log(log *slog.Logger) {
	log.Info("refreshed", "scopes", f.scopes, "failed", f.failed, "listed", f.sum.Listed, "new", f.sum.New,
		"changed", f.sum.Changed, "lost", f.sum.Lost, "took", time.Since(f.began).Round(time.Millisecond).String())
}
