package main

import (
	"context"
	"fmt"
	"io"
	"sync"

	"github.com/spf13/cobra"

	"flowkeeper/configs"
	"flowkeeper/internal/store"
	"flowkeeper/inventory"
	"flowkeeper/remediate"
)

func newRefreshCommand(a *app) *cobra.Command {
	var asJSON bool
	c := &cobra.Command{
		Use: "refresh", Short: "Ask AWS for all flow logs now, in this command itself", Args: noArgs,
		Long: `List the flow logs of every configured account and Region and bring the snapshot
up to date, as the daemon does on its schedule. What is found gone is restored
by the daemon, not by this command. Where one account or Region can't be listed
the others are, what the snapshot says of that one stands, and the exit code is
1.`,
		Example: `  flowkeeper inventory refresh
  flowkeeper inventory refresh --json | jq -c 'select(.error)'`,
		RunE: func(c *cobra.Command, _ []string) error {
			return a.withState(c.Context(), func(conf configs.Config, s *store.Store) error {
				return a.refresh(c.Context(), conf, s, asJSON)
			})
		},
	}
	jsonFlag(c, &asJSON, "one JSON object a line, for each account and Region")
	return c
}

// refreshed is what came of one scope.
type refreshed struct {
	Account string `json:"account"`
	Region  string `json:"region"`
	inventory.Counts
	Error string `json:"error,omitempty"`
}

// refreshAtOnce is how many scopes are listed at the same time.
const refreshAtOnce = 8

func (a *app) refresh(ctx context.Context, c configs.Config, s *store.Store, asJSON bool) error {
	fleet, err := a.connect(ctx, c)
	if err != nil {
		return err
	}
	r := a.newRemediator(c, s, fleet)
	all := fleet.Scopes()
	results := make([]refreshed, len(all))
	progress := a.progress("refreshing", len(all))
	slots := make(chan struct{}, refreshAtOnce)
	var wg sync.WaitGroup
	for n, scope := range all {
		slots <- struct{}{}
		wg.Go(func() {
			defer func() { progress.step(); <-slots }()
			results[n] = refreshScope(ctx, r, scope)
		})
	}
	wg.Wait()
	progress.end()
	return a.printRefreshed(results, asJSON)
}

func refreshScope(ctx context.Context, r *remediate.Remediator, scope inventory.Scope) refreshed {
	counts, err := r.Refresh(ctx, scope)
	out := refreshed{Account: scope.Account, Region: scope.Region, Counts: counts}
	if err != nil {
		out.Error = err.Error()
	}
	return out
}

func (a *app) printRefreshed(results []refreshed, asJSON bool) error {
	failed := 0
	for _, r := range results {
		if r.Error != "" {
			failed++
			a.complain(r.Error)
		}
	}
	err := a.print(func(w io.Writer) error {
		if asJSON {
			for _, r := range results {
				if err := writeJSON(w, r); err != nil {
					return err
				}
			}
			return nil
		}
		t := a.table(w, whole("ACCOUNT"), whole("REGION"), whole("LISTED"), whole("NEW"), whole("CHANGED"), whole("LOST"))
		for _, r := range results {
			if r.Error != "" {
				if err := t.add(plain(r.Account), plain(r.Region), cell{"failed", red}, cell{}, cell{}, cell{}); err != nil {
					return err
				}
				continue
			}
			lost := plain(fmt.Sprint(r.Lost))
			if r.Lost > 0 {
				lost.color = red
			}
			if err := t.add(plain(r.Account), plain(r.Region), plain(fmt.Sprint(r.Listed)), plain(fmt.Sprint(r.New)), plain(fmt.Sprint(r.Changed)), lost); err != nil {
				return err
			}
		}
		return t.flush()
	})
	if err == nil && failed > 0 {
		err = fmt.Errorf("%d of %d could not be refreshed: what the snapshot says of them stands", failed, len(results))
	}
	return err
}
