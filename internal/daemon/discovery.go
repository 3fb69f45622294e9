package daemon

import (
	"context"
	"time"

	"flowkeeper/internal/outage"
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
	discoverPause = 10 * time.Second // the shortest between two rounds
)

// discovery finds Regions that are enabled or disabled while the daemon runs.
type discovery struct {
	d *Daemon
	rounds

	outages map[string]*pipelineOutage // by account; owned by run's goroutine
}

func newDiscovery(d *Daemon) *discovery {
	return &discovery{d: d, rounds: newRounds(), outages: map[string]*pipelineOutage{}}
}

// run discovers until ctx ends, and starts the loops of new scopes.
func (v *discovery) run(ctx context.Context) error {
	again := v.d.fleet.Unlisted()
	for last := time.Now().Add(-discoverPause); ; {
		pause := discoverEvery
		if again {
			pause = discoverAgain
		}
		if !v.await(ctx, last, pause) {
			return nil
		}
		last = time.Now()
		added, failed := v.d.fleet.Discover(ctx)
		v.done(last)
		for _, s := range added {
			v.d.Log.Info("a Region is new, and guarded from now on", "account", s.Account, "region", s.Region)
			v.d.loopsOf.start(s)
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
	for _, account := range v.d.fleet.Accounts() {
		if v.d.fleet.Lists(account) && failed[account] == nil {
			v.outage(account).end(ctx)
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
