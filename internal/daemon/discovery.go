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

// How often AWS is asked which Regions are enabled: a new one is found within half an hour.
// While an account can't be asked, the next try comes sooner, and a refresh that AWS
// refuses asks at once.
const (
	discoverEvery = 30 * time.Minute
	discoverAgain = time.Minute
	discoverPause = 10 * time.Second // the shortest between two discoveries
	freshTimeout  = 40 * time.Second // for a pause and an answer
)

// discovery finds Regions that are enabled or disabled while the daemon runs.
type discovery struct {
	d     *Daemon
	asked chan struct{}

	mu    sync.Mutex
	began time.Time     // of the last discovery that is over
	over  chan struct{} // closed when the next discovery is over

	outages map[string]*pipelineOutage // by account; owned by run's goroutine
}

func newDiscovery(d *Daemon) *discovery {
	return &discovery{d: d, asked: make(chan struct{}, 1), over: make(chan struct{}), outages: map[string]*pipelineOutage{}}
}

// soon asks for a discovery as soon as discoverPause allows. It never blocks.
func (v *discovery) soon() {
	select {
	case v.asked <- struct{}{}:
	default:
	}
}

// awaitFresh returns when a discovery is over that began less than discoverPause before the
// call, or after freshTimeout.
func (v *discovery) awaitFresh(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, freshTimeout)
	defer cancel()
	for now := time.Now(); ctx.Err() == nil; {
		v.mu.Lock()
		fresh, over := now.Sub(v.began) < discoverPause, v.over
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

// run discovers until ctx ends, and starts the goroutines of new scopes in g.
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
		if !retry.Sleep(ctx, discoverPause-time.Since(last)) { // several may have asked at the same time
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

// report logs once that an account's Regions can't be asked for. It adds an alert if the
// account's scopes are still refreshed, because then no other alert reports the failure.
func (v *discovery) report(ctx context.Context, failed map[string]error) {
	if ctx.Err() != nil {
		return
	}
	for account, err := range failed {
		o := v.outage(account)
		if o.Note(err) == outage.Began {
			v.d.Log.Warn("which Regions an account has enabled can't be asked for; those that are known stay", "account", account, "error", err)
		} else if o.Failures() >= 3 && !scopes.Passes(err) && v.d.refreshes.overview().refreshed(account) {
			o.alert(ctx, "which Regions the account has enabled can't be asked for, so that a new one would not be guarded: "+err.Error())
		}
	}
	for _, s := range v.d.fleet.Scopes() {
		if o := v.outage(s.Account); failed[s.Account] == nil {
			o.end(ctx)
		}
	}
}

// outage returns the outage of asking for an account's Regions.
func (v *discovery) outage(account string) *pipelineOutage {
	o := v.outages[account]
	if o == nil {
		o = v.d.newOutage(inventory.Scope{Account: account}, notify.Refreshing, "which Regions the account has enabled can be asked for again")
		v.outages[account] = o
	}
	return o
}
