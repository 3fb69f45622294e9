package daemon

import (
	"context"
	"fmt"
	"runtime/debug"
	"time"

	"flowkeeper/alert"
	"flowkeeper/internal/outage"
	"flowkeeper/internal/pipeline"
	"flowkeeper/internal/scopes"
	"flowkeeper/inventory"
)

// refresh refreshes one scope by calling snapshot, and logs and alerts the result. A panic is a
// failure like others. asked is when the refresh was due, before it waited for its slot; leave gives
// the slot back.
func (r *refreshes) refresh(ctx context.Context, s inventory.Scope, snapshot func(context.Context, inventory.Scope) (inventory.Counts, error), asked time.Time, leave func()) {
	r.hold(s, leave)
	defer r.leave(s)
	if ctx.Err() != nil || r.overview().isDisabled(s) {
		return
	}
	defer r.d.progress.Task(refreshOf(s), maxSilence)()
	var counts inventory.Counts
	err := recovered("refresh of "+s.String(), func() (err error) { counts, err = snapshot(ctx, s); return err })
	r.leave(s)
	if ctx.Err() != nil {
		return
	}
	if err != nil {
		r.fail(ctx, s, err)
		return
	}
	r.succeed(ctx, s, counts, time.Since(asked))
}

// hold notes that the refresh under way in a scope has a slot, which leave gives back.
func (r *refreshes) hold(s inventory.Scope, leave func()) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.state(s).leave = leave
}

// leave gives the slot of a scope's refresh back, unless that has been done.
func (r *refreshes) leave(s inventory.Scope) {
	r.mu.Lock()
	leave := r.state(s).leave
	r.mu.Unlock()
	leave()
}

// Asks notes that the refresh under way in a scope asks AWS, and returns the function that notes the end of the call. If
// AWS does not answer for slotPatience, the refresh gives its slot back, so that a Region that hangs delays no other. After
// the answer it waits for a slot again, however long; while it waits for the state file, it keeps its slot. Otherwise a slow
// machine would have the answers to more refreshes in memory than there are slots.
func (r *refreshes) Asks(ctx context.Context, s inventory.Scope) (ended func(error)) {
	r.mu.Lock()
	defer r.mu.Unlock()
	st, hung := r.state(s), false
	var t *time.Timer // guarded by mu, as hung
	t = time.AfterFunc(slotPatience, func() {
		r.mu.Lock()
		if st.callTimer == t { // else the call has ended as the timer fired
			st.hangs, hung = true, true
		}
		leave, hung := st.leave, hung
		r.mu.Unlock()
		if hung {
			leave()
		}
	})
	st.callTimer = t
	return func(err error) {
		t.Stop()
		r.mu.Lock()
		st.callTimer = nil
		if err == nil { // else fail says how it goes on
			st.hangs = false
		}
		back := hung && err == nil
		r.mu.Unlock()
		if back {
			r.d.progress.Task(refreshOf(s), maxSilence)() // no task while it waits for a slot: the wait may be long
			r.hold(s, r.slots.comeBack(ctx))
			r.d.progress.Task(refreshOf(s), maxSilence) // refresh ends it
		}
	}
}

// refreshOf returns the name of the task that refreshes a scope.
func refreshOf(s inventory.Scope) string { return "refresh " + s.String() }

// observedSnapshot shows the watchdog that a refresh makes progress: its methods are called for each page that AWS lists.
type observedSnapshot struct {
	inventory.Snapshot
	d *Daemon
}

func (p observedSnapshot) keepAlive(s inventory.Scope) {
	p.d.progress.KeepAlive(refreshOf(s))
}

// Compare implements inventory.Snapshot.
func (p observedSnapshot) Compare(ctx context.Context, l *inventory.Listing, page []inventory.Listed) ([]int, error) {
	p.keepAlive(l.Scope)
	return p.Snapshot.Compare(ctx, l, page)
}

// Unseen implements inventory.Snapshot.
func (p observedSnapshot) Unseen(ctx context.Context, l *inventory.Listing, after string, limit int) ([]inventory.Row, string, error) {
	p.keepAlive(l.Scope)
	return p.Snapshot.Unseen(ctx, l, after, limit)
}

// recovered calls fn, and turns a panic into an error.
func recovered(what string, fn func() error) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("%s panicked: %v\n%s", what, p, debug.Stack())
		}
	}()
	return fn()
}

// fail logs and alerts a failure that does not pass by itself, or has not after three tries, and asks
// for another refresh. If AWS is asked for the Regions, a refused refresh first
// finds out whether the Region is still enabled.
func (r *refreshes) fail(ctx context.Context, s inventory.Scope, err error) {
	r.mu.Lock()
	st := r.state(s)
	began := st.outage.Note(err) == outage.Began
	st.hangs = false
	_, last := r.first.over(st, inventory.Counts{}, true)
	r.mu.Unlock()
	if last {
		r.first.log(r.d.Log)
	}
	if scopes.OfAccount(err) {
		r.accounts.fail(ctx, s.Account, st.outage.Failures(), err)
		r.again(s)
		return
	}
	refused := !scopes.Passes(err)
	if refused {
		r.accounts.works(s.Account) // it was AWS's EC2 that answered
	}
	if refused && r.d.fleet.Lists(s.Account) && began {
		r.d.discovery.awaitFresh(ctx)
	}
	if !r.d.fleet.Enabled(s) {
		r.disable(ctx, s)
		return
	}
	if ctx.Err() == nil && (refused || st.outage.Failures() >= 3) {
		if r.regions.Fail(s, scopes.CauseOf(err), err) {
			r.regionLines.began(s, err)
		}
	}
	r.again(s)
}

func (r *refreshes) succeed(ctx context.Context, s inventory.Scope, c inventory.Counts, took time.Duration) {
	r.mu.Lock()
	st := r.state(s)
	again, first := st.outage.Note(nil) == outage.Ended, !st.refreshed()
	st.hangs, st.refreshedAt, st.took = false, time.Now(), took
	summed, last := r.first.over(st, c, false)
	r.mu.Unlock()
	if !st.outage.Ended() { // earlier versions had an alert for each Region, of level medium if it had no protected flow logs
		pipeline.NewGraded(outbox{r.d}, s, alert.PartRefresh, refreshedAgain).Medium.End(ctx)
	}
	st.outage.End(ctx)
	r.accounts.works(s.Account)
	r.regions.Works(s)
	r.d.nameTags.refreshed(s, c.New > 0)
	if c.Lost > 0 {
		r.Often(s)
	}
	found := first || c.New+c.Changed > 0
	if again || c.Lost > 0 || found && !summed {
		r.d.Log.Info("refreshed", "account", s.Account, "region", s.Region, "listed", c.Listed, "new", c.New,
			"changed", c.Changed, "lost", c.Lost, "took", took.Round(time.Millisecond).String())
	}
	if last {
		r.first.log(r.d.Log)
	}
}

// disable ends the refreshes of a scope whose Region is not enabled any more. Its rows in the
// snapshot stay, because no listing showed that its flow logs are gone. If some of them are
// protected, there is an alert.
func (r *refreshes) disable(ctx context.Context, s inventory.Scope) {
	r.mu.Lock()
	st := r.state(s)
	was := st.disabled
	st.disabled = true
	r.mu.Unlock()
	if was {
		return
	}
	r.regions.Remove(s)
	c, err := r.d.store.Counts(ctx)
	n := c.Protected[s]
	r.d.Log.Warn("a Region is not enabled any more: it is not refreshed until it is enabled again, and its snapshot stands", "account", s.Account, "region", s.Region, "flow_logs", n)
	if err != nil || n > 0 {
		st.outage.Alert(ctx, fmt.Sprintf("the Region %s is not enabled in account %s any more: %s there can be neither watched nor restored until it is enabled again", s.Region, s.Account, alert.Plural(n, "protected flow log")))
	}
}

// enable begins the refreshes of scopes again whose Region is enabled again.
func (r *refreshes) enable() {
	var back []inventory.Scope
	for s, st := range r.all() {
		if st.disabled && r.d.fleet.Enabled(s) {
			back = append(back, s)
			st.disabled = false
		}
	}
	for _, s := range back {
		r.d.Log.Info("a Region is enabled again", "account", s.Account, "region", s.Region)
		r.again(s)
	}
}
