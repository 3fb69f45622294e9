package daemon

import (
	"context"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"flowkeeper/internal/outage"
	"flowkeeper/internal/retry"
	"flowkeeper/internal/scopes"
	"flowkeeper/inventory"
	"flowkeeper/remediate/notify"
)

// How often AWS is asked which Regions there are: a new one is seen within the
// hour. While an account can't be asked it is tried more often, and a refresh that
// is refused asks out of turn.
const (
	discoverEvery = 30 * time.Minute
	discoverAgain = time.Minute
	discoverPause = 10 * time.Second // between two at least
	freshTimeout  = 40 * time.Second // for a pause and an answer
)

// discovery notices Regions that are enabled or disabled while the daemon runs.
type discovery struct {
	d     *Daemon
	asked chan struct{}

	mu    sync.Mutex
	began time.Time     // of the last one that is over
	over  chan struct{} // closed when the next one is

	outages map[string]*pipelineOutage // by account; of run's goroutine alone
}

func newDiscovery(d *Daemon) *discovery {
	return &discovery{d: d, asked: make(chan struct{}, 1), over: make(chan struct{}), outages: map[string]*pipelineOutage{}}
}

// soon asks for a discovery out of turn. It never blocks.
func (v *discovery) soon() {
	select {
	case v.asked <- struct{}{}:
	default:
	}
}

// awaitFresh returns once AWS has been asked since discoverPause before now, or can't
// be soon.
func (v *discovery) awaitFresh(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, freshTimeout)
	defer cancel()
	for now := time.Now(); ctx.Err() == nil; {
		v.mu.Lock()
		fresh, over := now.Sub(v.began) < discoverPause, v.over // however long the answer takes
		v.mu.Unlock()
		if fresh {
			return
		}
		v.soon()
		select {
		case <-over:
		case <-ctx.Done():
		}
	}
}

// done notes that a discovery is over.
func (v *discovery) done(began time.Time) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.began = began
	close(v.over)
	v.over = make(chan struct{})
}

// run discovers until ctx ends. What works on a scope is started in g.
func (v *discovery) run(ctx context.Context, g *errgroup.Group) error {
	if !v.d.fleet.Lists() {
		return nil
	}
	again := v.d.fleet.Unlisted()
	for last := time.Now().Add(-discoverPause); ; {
		pause := discoverEvery
		if again {
			pause = discoverAgain
		}
		retry.Wait(ctx, pause, v.asked)
		if !retry.Sleep(ctx, discoverPause-time.Since(last)) { // many ask at once
			return nil
		}
		last = time.Now()
		added, failed := v.d.fleet.Discover(ctx)
		v.done(last)
		for _, s := range added {
			v.d.Log.Info("a Region is new, and guarded from now on", "account", s.Account, "region", s.Region)
			v.d.startScope(ctx, g, s)
		}
		v.d.refreshes.enable()
		v.report(ctx, failed)
		again = len(failed) > 0
	}
}

// report logs once that an account's Regions can't be asked for. It is an alert
// where nothing else would tell: the account's scopes are refreshed.
func (v *discovery) report(ctx context.Context, failed map[string]error) {
	if ctx.Err() != nil {
		return
	}
	for account, err := range failed {
		o := v.outage(account)
		if o.Note(err) == outage.Began {
			v.d.Log.Warn("which Regions an account has enabled can't be asked for; those that are known stay", "account", account, "error", err)
		} else if o.Failures() >= 3 && !scopes.Passes(err) && v.d.refreshes.refreshed(account) {
			o.alert(ctx, "which Regions the account has enabled can't be asked for, so that a new one would not be guarded: "+err.Error())
		}
	}
	for _, s := range v.d.fleet.Scopes() {
		if o := v.outage(s.Account); failed[s.Account] == nil {
			o.Note(nil)
			o.end(ctx)
		}
	}
}

// outage of asking for an account's Regions.
func (v *discovery) outage(account string) *pipelineOutage {
	o := v.outages[account]
	if o == nil {
		o = v.d.newOutage(inventory.Scope{Account: account}, notify.Refreshing, "which Regions the account has enabled can be asked for again")
		v.outages[account] = o
	}
	return o
}
