package daemon

import (
	"context"
	"fmt"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"time"

	"github.com/robfig/cron/v3"

	"flowkeeper/internal/outage"
	"flowkeeper/internal/retry"
	"flowkeeper/internal/scopes"
	"flowkeeper/inventory"
	"flowkeeper/remediate"
	"flowkeeper/systemd"
)

// refreshes owns when each scope is refreshed: at start, on the schedule, soon
// after a record that names no flow log, and soon after a failure. Each scope has its own turn, so
// that one that fails or is slow holds up no other.
type refreshes struct {
	d       *Daemon
	asked   chan ask
	arrived chan inventory.Scope        // scopes that are new in the fleet
	enlist  func(inventory.Scope) error // adds the job of one; of run's goroutine alone
	slots   chan struct{}               // how many scopes at once

	mu     sync.Mutex                          // guards scopes, and what is in them
	scopes map[inventory.Scope]*scopeRefreshes // see of
}

// scopeRefreshes is how the refreshes of one scope stand.
type scopeRefreshes struct {
	outage *partOutage // alerts and their end belong to the scope's turn
	since  time.Time   // when the scope came to the fleet; zero: it was there at the start
	last   success     // since the start; zero: there was none
	off    bool        // not refreshed: the Region is not enabled any more
	hangs  bool        // AWS has not answered the refresh under way for slotPatience
	timer  *time.Timer // of the refresh under way, until it counts as hanging
}

func (st *scopeRefreshes) refreshed() bool { return !st.last.ended.IsZero() }

func (st *scopeRefreshes) failing() bool { return st.outage.Failures() > 0 }

// newGrace is how long the first refresh of a new Region may take, before that of
// all is not over.
const newGrace = 5 * time.Minute

// isNew reports whether the scope came to the fleet a moment ago.
func (st *scopeRefreshes) isNew() bool { return time.Since(st.since) < newGrace }

// of a scope. One that was not there at the start is new from the first question
// for it on. The caller holds mu.
func (r *refreshes) of(s inventory.Scope) *scopeRefreshes {
	st := r.scopes[s]
	if st == nil {
		st = &scopeRefreshes{outage: r.d.newOutage(s, remediate.Refreshing, "the inventory can be refreshed again"), since: time.Now()}
		r.scopes[s] = st
	}
	return st
}

// success is a complete refresh.
type success struct {
	ended time.Time
	took  time.Duration // with its wait for a slot: the next one waits, too
}

// ask is for a refresh of a scope. twice: and for another one after settle, as
// AWS may still show what was.
type ask struct {
	scope inventory.Scope
	twice bool
}

const (
	parallelScopes = 8
	slotPatience   = 5 * time.Second  // without an answer of AWS, and a refresh gives its place to another's
	askedPause     = 30 * time.Second // between two refreshes of a scope that records or failures asked for
	forgetSchedule = "@every 1h"
)

func newRefreshes(d *Daemon) *refreshes {
	r := &refreshes{
		d: d, asked: make(chan ask, 64+len(d.fleet.Scopes())), slots: make(chan struct{}, parallelScopes),
		arrived: make(chan inventory.Scope), scopes: map[inventory.Scope]*scopeRefreshes{},
	}
	for _, s := range d.fleet.Scopes() {
		r.of(s).since = time.Time{}
	}
	return r
}

// run refreshes every scope at once, and then on the schedule until ctx ends.
func (r *refreshes) run(ctx context.Context) error {
	var turns sync.WaitGroup
	c := cron.New()
	jobs := map[inventory.Scope]*job{}
	r.enlist = func(s inventory.Scope) error {
		j := newJob(func() {
			r.turn(ctx, s)
			r.againIfFailed(s)
		})
		if _, err := c.AddFunc(r.d.Config.Inventory.Schedule, j.scheduled); err != nil {
			return fmt.Errorf("inventory.schedule: %w", err)
		}
		jobs[s] = j
		turns.Go(j.asked)
		return nil
	}
	for _, s := range r.d.fleet.Scopes() {
		if err := r.enlist(s); err != nil {
			return err
		}
	}
	if _, err := c.AddFunc(forgetSchedule, func() { r.forget(ctx) }); err != nil {
		return err
	}
	// That the schedule itself still turns, however seldom a refresh is due.
	if _, err := c.AddFunc("@every 1m", r.d.progress.Loop("schedule", maxSilence)); err != nil {
		return err
	}
	c.Start()
	r.answer(ctx, jobs, &turns)
	<-c.Stop().Done()
	turns.Wait()
	return nil
}

// job is the refresh of one scope: one at a time.
type job struct {
	do      func()
	running chan struct{} // holds one while it runs
	waits   atomic.Bool   // one that was asked for begins after the one that runs

	// Of answer's goroutine alone.
	last    time.Time // when one that was asked for began
	due     bool      // one that was asked for waits until askedPause is over
	askedAt time.Time // when two were asked for last
	armedAt time.Time // when the two were asked for whose second is waited for; zero: none is
}

func newJob(do func()) *job { return &job{do: do, running: make(chan struct{}, 1)} }

// scheduled runs, unless it does already: the next time will come.
func (j *job) scheduled() {
	select {
	case j.running <- struct{}{}:
		defer func() { <-j.running }()
		j.do()
	default:
	}
}

// asked runs, after the one under way if there is one: that began before what
// it was asked for.
func (j *job) asked() {
	if j.waits.Swap(true) {
		return
	}
	j.running <- struct{}{}
	defer func() { <-j.running }()
	j.waits.Store(false)
	j.do()
}

// answer refreshes scopes that were asked for, each not too often.
func (r *refreshes) answer(ctx context.Context, jobs map[inventory.Scope]*job, turns *sync.WaitGroup) {
	settle := r.d.Config.Inventory.Settle + time.Second
	due, settled := make(chan *job), make(chan *job)
	later := func(j *job, pause time.Duration, on chan *job) {
		turns.Go(func() {
			if retry.Sleep(ctx, pause) {
				select {
				case on <- j:
				case <-ctx.Done():
				}
			}
		})
	}
	begin := func(j *job) {
		j.last = time.Now()
		turns.Go(j.asked)
	}
	for {
		select {
		case <-ctx.Done():
			return
		case s := <-r.arrived:
			if err := r.enlist(s); err != nil {
				r.d.Log.Error("a new scope can't be refreshed", "account", s.Account, "region", s.Region, "error", err)
			}
		case a := <-r.asked:
			j := jobs[a.scope]
			if j == nil {
				continue
			}
			if a.twice {
				j.askedAt = time.Now()
				if j.armedAt.IsZero() {
					j.armedAt = j.askedAt
					later(j, settle, settled)
				}
			}
			if pause := askedPause - time.Since(j.last); pause <= 0 {
				begin(j)
			} else if !j.due {
				j.due = true
				later(j, pause, due)
			}
		case j := <-due:
			j.due = false
			begin(j)
		case j := <-settled:
			if j.askedAt.After(j.armedAt) {
				j.armedAt = j.askedAt
				later(j, settle-time.Since(j.askedAt), settled)
			} else {
				j.armedAt = time.Time{}
			}
			begin(j)
		}
	}
}

// soon asks for a refresh of one scope, or of all, because of a record. It
// never blocks: when many have asked already, their refreshes will do.
func (r *refreshes) soon(scope inventory.Scope, all bool) {
	scopes := []inventory.Scope{scope}
	if all {
		scopes = r.d.fleet.Scopes()
	}
	for _, s := range scopes {
		r.ask(ask{s, true})
	}
}

func (r *refreshes) ask(a ask) {
	select {
	case r.asked <- a:
	default:
	}
}

// turn refreshes one scope and reports what came of it: a panic is a failure
// like others, for cron has nobody to tell.
func (r *refreshes) turn(ctx context.Context, s inventory.Scope) {
	if r.isOff(s) {
		return
	}
	started := time.Now()
	release, ok := r.occupy(ctx, s)
	if !ok {
		return
	}
	defer r.d.progress.Task(refreshOf(s), maxSilence)()
	var counts inventory.Counts
	err := guarded("refresh of "+s.String(), func() (err error) { counts, err = r.d.remediator.Refresh(ctx, s); return err })
	release()
	if ctx.Err() != nil {
		return
	}
	if err != nil {
		r.fail(ctx, s, err)
		return
	}
	r.succeed(ctx, s, counts, time.Since(started))
}

// occupy waits for one of the slots. A refresh that AWS does not answer for
// slotPatience gives its slot back, and goes on without: a Region that hangs holds
// up no other.
func (r *refreshes) occupy(ctx context.Context, s inventory.Scope) (release func(), ok bool) {
	select {
	case r.slots <- struct{}{}:
	case <-ctx.Done():
		return nil, false
	}
	free := sync.OnceFunc(func() { <-r.slots })
	r.mu.Lock()
	defer r.mu.Unlock()
	st := r.of(s)
	var t *time.Timer // guarded by mu
	t = time.AfterFunc(slotPatience, func() {
		r.mu.Lock()
		if st.timer == t { // else the refresh has ended as the timer fired
			st.hangs = true
		}
		r.mu.Unlock()
		free()
	})
	st.timer = t
	return func() {
		t.Stop()
		r.mu.Lock()
		st.timer = nil
		r.mu.Unlock()
		free()
	}, true
}

// moved says that AWS has answered the refresh of a scope.
func (r *refreshes) moved(s inventory.Scope) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if st := r.of(s); st.timer != nil {
		st.timer.Reset(slotPatience)
		st.hangs = false
	}
}

// refreshOf is the task's name.
func refreshOf(s inventory.Scope) string { return "refresh " + s.String() }

// paced is the snapshot, which sees each page of a refresh go by.
type paced struct {
	inventory.Snapshot
	progress *systemd.Progress
	moved    func(inventory.Scope)
}

func (p paced) beat(s inventory.Scope) {
	p.progress.Beat(refreshOf(s))
	p.moved(s)
}

// Known implements inventory.Snapshot.
func (p paced) Known(ctx context.Context, s inventory.Scope, ids []string) (map[string]inventory.Known, error) {
	p.beat(s)
	return p.Snapshot.Known(ctx, s, ids)
}

// Unseen implements inventory.Snapshot.
func (p paced) Unseen(ctx context.Context, s inventory.Scope, seen *inventory.Seen, before time.Time, after int64, limit int) ([]inventory.Row, int64, error) {
	p.beat(s)
	return p.Snapshot.Unseen(ctx, s, seen, before, after, limit)
}

// guarded turns a panic into an error.
func guarded(what string, fn func() error) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("%s panicked: %v\n%s", what, p, debug.Stack())
		}
	}()
	return fn()
}

// againIfFailed asks for another try soon after a failure: the schedule may be
// slow.
func (r *refreshes) againIfFailed(s inventory.Scope) {
	r.mu.Lock()
	st := r.of(s)
	again := st.failing() && !st.off
	r.mu.Unlock()
	if again {
		r.ask(ask{scope: s})
	}
}

// fail tells once that a scope can't be refreshed: in the log at once, and as
// an alert when it does not pass by itself. Where AWS decides which Regions there
// are, it is asked first whether this is still one.
func (r *refreshes) fail(ctx context.Context, s inventory.Scope, err error) {
	r.mu.Lock()
	st := r.of(s)
	began := st.outage.Note(err) == outage.Began
	st.hangs = false
	r.mu.Unlock()
	if began {
		r.d.Log.Warn("refresh failed; the last snapshot stands", "account", s.Account, "region", s.Region, "error", err)
	}
	refused := !scopes.Passes(err)
	if refused && r.d.fleet.Lists() && began {
		r.d.discovery.settle(ctx)
	}
	if !r.d.fleet.Enabled(s) {
		r.disable(ctx, s)
		return
	}
	if refused || st.outage.Failures() >= 3 {
		st.outage.alert(ctx, "the inventory can't be refreshed: "+err.Error())
	}
}

func (r *refreshes) succeed(ctx context.Context, s inventory.Scope, c inventory.Counts, took time.Duration) {
	r.mu.Lock()
	st := r.of(s)
	again, first := st.outage.Note(nil) == outage.Ended, !st.refreshed()
	st.hangs, st.last = false, success{time.Now(), took}
	r.mu.Unlock()
	st.outage.end(ctx)
	if again || first || c.New+c.Changed+c.Lost > 0 {
		r.d.Log.Info("refreshed", "account", s.Account, "region", s.Region, "listed", c.Listed, "new", c.New,
			"changed", c.Changed, "lost", c.Lost, "took", took.Round(time.Millisecond).String())
	}
}

// freshGrace is what a refresh may be late.
const freshGrace = time.Minute

// fresh says which scope's last complete refresh is older than it should be:
// two more were due since, and had the time that it took. A scope whose refresh
// fails, or gets no answer, has an alert of its own, and counts here only if no
// other scope is left.
func (r *refreshes) fresh() error {
	schedule, err := cron.ParseStandard(r.d.Config.Inventory.Schedule)
	if err != nil {
		return fmt.Errorf("inventory.schedule: %w", err)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	counted, failing := 0, error(nil)
	for _, s := range r.d.fleet.Scopes() {
		st := r.of(s)
		switch {
		case st.off || !st.refreshed() && st.isNew():
			continue
		case st.failing() || st.hangs:
			failing = fmt.Errorf("no scope can be refreshed, %s neither", s)
			continue
		case !st.refreshed():
			return fmt.Errorf("%s has not been refreshed yet", s)
		}
		counted++
		due := schedule.Next(schedule.Next(st.last.ended)).Add(st.last.took + freshGrace)
		if time.Now().After(due) {
			return fmt.Errorf("the last refresh of %s ended %s ago", s, time.Since(st.last.ended).Round(time.Second))
		}
	}
	if counted == 0 {
		return failing
	}
	return nil
}

// firstRefresh is how long an empty memory puts off receiving: what waits in
// the queue could be about flow logs that it knows a moment later.
const firstRefresh = 10 * time.Second

// await waits until every scope has been tried, or was refreshed in an earlier
// life.
func (r *refreshes) await(ctx context.Context, most time.Duration) {
	ctx, cancel := context.WithTimeout(ctx, most)
	defer cancel()
	for ctx.Err() == nil && !r.learned(ctx) {
		retry.Sleep(ctx, 50*time.Millisecond)
	}
}

// learned reports whether there is no scope that the next moment may tell more of.
func (r *refreshes) learned(ctx context.Context) bool {
	untried := r.untried()
	if len(untried) == 0 {
		return true
	}
	all := true
	err := r.d.store.View(ctx, func(tx remediate.Tx) error {
		for _, s := range untried {
			ok, err := tx.FirstRefreshed(s)
			if err != nil {
				return err
			}
			all = all && ok
		}
		return nil
	})
	return err == nil && all
}

// Refreshed reports whether the first refresh of every scope is over since the
// start, and one at least was complete.
func (d *Daemon) Refreshed() bool { return d.connected.Load() && d.refreshes.ready() == nil }

// forget drops what is older than the retention.
func (r *refreshes) forget(ctx context.Context) {
	if err := r.d.store.Prune(ctx, time.Now().Add(-r.d.Config.Inventory.Retention)); err != nil && ctx.Err() == nil {
		r.d.Log.Error("forgetting old incidents", "error", err)
	}
}
