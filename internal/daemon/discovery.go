package daemon

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"time"

	"flowkeeper/alert"
	"flowkeeper/internal/outage"
	"flowkeeper/internal/pipeline"
	"flowkeeper/internal/scopes"
	"flowkeeper/inventory"
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

	failing map[string]*outage.Outage // by account; owned by run's goroutine
	outages *pipeline.Places
}

func newDiscovery(d *Daemon) *discovery {
	return &discovery{d: d, rounds: newRounds(), failing: map[string]*outage.Outage{}, outages: places{d}.alerts(pipeline.Kind{
		Part: alert.PartRegions, Whole: true, Urgent: true, Earlier: alert.PartRefresh, Texts: listingTexts{},
		Recovery:  "AWS says again which Regions the account has enabled",
		Recovered: "AWS says again which Regions the accounts have enabled",
	})}
}

// listingTexts are the texts of alerts about accounts whose enabled Regions can't be listed. It implements
// pipeline.Texts.
type listingTexts struct{}

func (listingTexts) One(_ context.Context, f pipeline.Failing) string {
	return fmt.Sprintf("Flowkeeper can't ask AWS which Regions the account %s has enabled, so that a newly enabled one would not be protected: %s", f.Name, scopes.Said(f.Err))
}

func (listingTexts) Many(f pipeline.Failing) string {
	return fmt.Sprintf("Flowkeeper can't ask AWS which Regions more than %d accounts have enabled, so that a newly enabled one would not be protected: `flowkeeper doctor` lists all. One of them is %s: %s", pipeline.MostSingle, f.Name, scopes.Said(f.Err))
}

// run discovers until ctx ends, and starts the loops of new scopes.
func (v *discovery) run(ctx context.Context) error {
	again := v.d.fleet.Unlisted()
	for {
		pause := discoverEvery
		if again {
			pause = discoverAgain
		}
		if !v.await(ctx, pause) {
			return nil
		}
		began := time.Now()
		added, failed := v.d.fleet.Discover(ctx)
		v.done(began)
		for _, s := range added {
			v.d.Log.Info("a Region is new, and protected from now on", "account", s.Account, "region", s.Region)
			v.d.scopeLoops.start(s)
		}
		v.d.refreshes.enable()
		v.report(ctx, failed)
		again = len(failed) > 0
	}
}

// report logs once that AWS can't be asked for the Regions of an account. It alerts of an account
// whose scopes are still refreshed, because then no other alert reports the failure.
func (v *discovery) report(ctx context.Context, failed map[string]error) {
	if ctx.Err() != nil {
		return
	}
	var began []string
	for account, err := range failed {
		asking := v.failing[account]
		if asking == nil {
			asking = &outage.Outage{}
			v.failing[account] = asking
		}
		if asking.Note(err) == outage.Began {
			began = append(began, account)
		} else if asking.Failures() >= 3 && !scopes.Passes(err) && v.d.refreshes.overview().refreshed(account) {
			v.outages.Fail(inventory.Scope{Account: account}, "", err)
		}
	}
	if len(began) > 0 {
		slices.Sort(began)
		v.d.Log.Warn("AWS does not say which Regions accounts have enabled; those that are known stay", "accounts", len(began), "first", began[0], "error", failed[began[0]])
	}
	maps.DeleteFunc(v.failing, func(account string, _ *outage.Outage) bool { return failed[account] == nil })
	for _, account := range v.d.fleet.Accounts() {
		if v.d.fleet.Lists(account) && failed[account] == nil {
			v.outages.Works(inventory.Scope{Account: account})
		}
	}
}
