package daemon

import (
	"context"
	"fmt"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"time"

	"github.com/robfig/cron/v3"

	"flowkeeper/internal/scopes"
	"flowkeeper/inventory"
	"flowkeeper/remediate"
	"flowkeeper/systemd"
)

// refreshes owns when each scope is refreshed: at start, on the schedule, soon
// after a record that names no flow log, and soon after a failure. Each scope has its own turn, so
// that one that fails or is slow holds up no other.
type refreshes struct {
	d     *Daemon
	asked chan ask
	slots chan struct{} // how many scopes at once

	mu     sync.Mutex
	failed map[inventory.Scope]int     // failures in a row
	last   map[inventory.Scope]success // since the start
	told   map[inventory.Scope]bool    // people were, of the failures in a row
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
	askedPause     = 30 * time.Second // between two refreshes of a scope that records or failures asked for
	forgetSchedule = "@every 1h"
)

func newRefreshes(d *Daemon) *refreshes {
	return &refreshes{
		d: d, asked: make(chan ask, 64+len(d.fleet.Scopes())), slots: make(chan struct{}, parallelScopes),
		failed: map[inventory.Scope]int{}, last: map[inventory.Scope]success{}, told: map[inventory.Scope]bool{},
	}
}

// run refreshes every scope at once, and then on the schedule until ctx ends.
func (r *refreshes) run(ctx context.Context) error {
	var turns sync.WaitGroup
	c := cron.New()
	jobs := map[inventory.Scope]*job{}
	for _, s := range r.d.fleet.Scopes() {
		j := newJob(func() {
			r.turn(ctx, s)
			r.againIfFailed(s)
		})
		if _, err := c.AddFunc(r.d.Config.Inventory.Schedule, j.scheduled); err != nil {
			return fmt.Errorf("inventory.schedule: %w", err)
		}
		jobs[s] = j
		turns.Go(j.asked)
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
	last := map[inventory.Scope]time.Time{}
	waiting := map[inventory.Scope]bool{}
	asked, armed := map[inventory.Scope]time.Time{}, map[inventory.Scope]time.Time{} // for two: last, and of the one that is waited for
	settle := r.d.Config.Inventory.Settle + time.Second
	due, settled := make(chan inventory.Scope), make(chan inventory.Scope)
	later := func(s inventory.Scope, pause time.Duration, on chan inventory.Scope) {
		turns.Go(func() {
			if sleep(ctx, pause) {
				select {
				case on <- s:
				case <-ctx.Done():
				}
			}
		})
	}
	for {
		var s inventory.Scope
		select {
		case <-ctx.Done():
			return
		case s = <-due:
			delete(waiting, s)
		case s = <-settled:
			if asked[s].After(armed[s]) {
				armed[s] = asked[s]
				later(s, settle-time.Since(asked[s]), settled)
			} else {
				delete(armed, s)
			}
		case a := <-r.asked:
			s = a.scope
			if a.twice && jobs[s] != nil {
				asked[s] = time.Now()
				if _, waits := armed[s]; !waits {
					armed[s] = asked[s]
					later(s, settle, settled)
				}
			}
			if pause := askedPause - time.Since(last[s]); pause > 0 {
				if !waiting[s] {
					waiting[s] = true
					later(s, pause, due)
				}
				continue
			}
		}
		if j := jobs[s]; j != nil {
			last[s] = time.Now()
			turns.Go(j.asked)
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
	started := time.Now()
	select {
	case r.slots <- struct{}{}:
		defer func() { <-r.slots }()
	case <-ctx.Done():
		return
	}
	defer r.d.progress.Task(refreshOf(s), maxSilence)()
	var counts inventory.Counts
	err := guarded("refresh of "+s.String(), func() (err error) { counts, err = r.d.remediator.Refresh(ctx, s); return err })
	if ctx.Err() != nil {
		return
	}
	if err != nil {
		r.fail(ctx, s, err)
		return
	}
	r.succeed(ctx, s, counts, time.Since(started))
}

// refreshOf is the task's name.
func refreshOf(s inventory.Scope) string { return "refresh " + s.String() }

// paced is the snapshot, which sees each page of a refresh go by.
type paced struct {
	inventory.Snapshot
	progress *systemd.Progress
}

// Known implements inventory.Snapshot.
func (p paced) Known(ctx context.Context, s inventory.Scope, ids []string) (map[string]inventory.Known, error) {
	p.progress.Beat(refreshOf(s))
	return p.Snapshot.Known(ctx, s, ids)
}

// Unseen implements inventory.Snapshot.
func (p paced) Unseen(ctx context.Context, s inventory.Scope, seen *inventory.Seen, before time.Time, after int64, limit int) ([]inventory.Row, int64, error) {
	p.progress.Beat(refreshOf(s))
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
	failed := r.failed[s] > 0
	r.mu.Unlock()
	if failed {
		r.ask(ask{scope: s})
	}
}

// fail tells once that a scope can't be refreshed: in the log at once, and as
// an alert when it does not pass by itself.
func (r *refreshes) fail(ctx context.Context, s inventory.Scope, err error) {
	r.mu.Lock()
	r.failed[s]++
	n := r.failed[s]
	r.mu.Unlock()
	if n == 1 {
		r.d.Log.Warn("refresh failed; the last snapshot stands", "account", s.Account, "region", s.Region, "error", err)
	}
	if tell := n >= 3 || !scopes.Passes(err); tell && !r.hasTold(s) {
		r.d.tellPipeline(ctx, s, remediate.Refreshing, "the inventory can't be refreshed: "+err.Error())
	}
}

// hasTold reports whether people were told of this run of failures, and notes
// that they are now.
func (r *refreshes) hasTold(s inventory.Scope) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	was := r.told[s]
	r.told[s] = true
	return was
}

func (r *refreshes) succeed(ctx context.Context, s inventory.Scope, c inventory.Counts, took time.Duration) {
	r.mu.Lock()
	_, before := r.last[s]
	again, first, told := r.failed[s] > 0, !before, r.told[s]
	r.failed[s], r.last[s] = 0, success{time.Now(), took}
	r.mu.Unlock()
	if again || first || told {
		told = !r.d.works(ctx, s, remediate.Refreshing, "the inventory can be refreshed again")
		r.mu.Lock()
		r.told[s] = told
		r.mu.Unlock()
	}
	if again || first || c.New+c.Changed+c.Lost > 0 {
		r.d.Log.Info("refreshed", "account", s.Account, "region", s.Region, "listed", c.Listed, "new", c.New,
			"changed", c.Changed, "lost", c.Lost, "took", took.Round(time.Millisecond).String())
	}
}

// done reports whether every scope has been refreshed since the start.
func (r *refreshes) done() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return len(r.last) == len(r.d.fleet.Scopes())
}

// freshGrace is what a refresh may be late.
const freshGrace = time.Minute

// fresh says which scope's last complete refresh is older than it should be:
// two more were due since, and had the time that it took.
func (r *refreshes) fresh() error {
	schedule, err := cron.ParseStandard(r.d.Config.Inventory.Schedule)
	if err != nil {
		return fmt.Errorf("inventory.schedule: %w", err)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, s := range r.d.fleet.Scopes() {
		last, ok := r.last[s]
		if !ok {
			return fmt.Errorf("%s has not been refreshed yet", s)
		}
		due := schedule.Next(schedule.Next(last.ended)).Add(last.took + freshGrace)
		if time.Now().After(due) {
			return fmt.Errorf("the last refresh of %s ended %s ago", s, time.Since(last.ended).Round(time.Second))
		}
	}
	return nil
}

// firstRefresh is how long an empty memory puts off receiving: what waits in
// the queue could be about flow logs that it knows a moment later.
const firstRefresh = 10 * time.Second

// await waits until every scope has been refreshed, now or in an earlier life.
func (r *refreshes) await(ctx context.Context, most time.Duration) {
	ctx, cancel := context.WithTimeout(ctx, most)
	defer cancel()
	for ctx.Err() == nil && !r.done() && !r.everDone(ctx) {
		sleep(ctx, 50*time.Millisecond)
	}
}

// everDone reports whether the state file knows a refresh of every scope.
func (r *refreshes) everDone(ctx context.Context) bool {
	all := true
	err := r.d.store.View(ctx, func(tx remediate.Tx) error {
		for _, s := range r.d.fleet.Scopes() {
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

// Refreshed reports whether every scope has been refreshed since the start.
func (d *Daemon) Refreshed() bool { return d.connected.Load() && d.refreshes.done() }

// forget drops what is older than the retention.
func (r *refreshes) forget(ctx context.Context) {
	if err := r.d.store.Prune(ctx, time.Now().Add(-r.d.Config.Inventory.Retention)); err != nil && ctx.Err() == nil {
		r.d.Log.Error("forgetting old incidents", "error", err)
	}
}
