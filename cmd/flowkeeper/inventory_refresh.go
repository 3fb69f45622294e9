package main

import (
	"context"
	"fmt"
	"strings"

	"github.com/spf13/cobra"
	"golang.org/x/sync/errgroup"

	"flowkeeper/alert"
	"flowkeeper/internal/term"
	"flowkeeper/inventory"
)

func newRefreshCommand(a *app) *cobra.Command {
	return a.withJSON("one JSON object a line, for each account and Region", &cobra.Command{
		Use: "refresh", Short: "List all flow logs at AWS now, in this command itself", Args: noArgs,
		Long: `List the flow logs of every configured account and Region and update the
snapshot, as the daemon does on its schedule. What is gone is restored by the
daemon, not by this command. If an account or Region can't be listed, its part
of the snapshot stays as it is, the others are updated, and the exit code is 1.`,
		Example: `  flowkeeper inventory refresh
  flowkeeper inventory refresh --json | jq -c 'select(.error)'`,
		RunE: a.onState(refreshAll),
	})
}

// refreshed is the result of one scope.
type refreshed struct {
	Account     string `json:"account"`
	AccountName string `json:"account_name,omitempty"`
	Region      string `json:"region"`
	inventory.Counts
	Error string `json:"error,omitempty"`
}

// refreshAtOnce is how many scopes are listed at the same time.
const refreshAtOnce = 8

func refreshAll(ctx context.Context, s state, _ []string) error {
	fleet, err := s.connect(ctx)
	if err != nil {
		return err
	}
	r, err := s.remediator(ctx, fleet)
	if err != nil {
		return err
	}
	lookup, err := s.names(ctx)
	if err != nil {
		return err
	}
	all := fleet.Scopes()
	results := make([]refreshed, len(all))
	progress := s.Progress("refreshing", len(all))
	var scopes errgroup.Group
	scopes.SetLimit(refreshAtOnce)
	for n, scope := range all {
		scopes.Go(func() error {
			defer progress.Step()
			counts, err := r.Refresh(ctx, scope)
			results[n] = refreshed{Account: scope.Account, AccountName: lookup.nameOf(scope.Account), Region: scope.Region, Counts: counts}
			if err != nil {
				results[n].Error = plainText(err)
			}
			return nil
		})
	}
	_ = scopes.Wait() // each result has its own error
	progress.End()
	return printRefreshed(s.app, results)
}

// refusal is why Regions of an account could not be refreshed.
type refusal struct{ account, why string }

func printRefreshed(a *app, results []refreshed) error {
	failed := 0
	var causes []refusal // in order
	regions := map[refusal][]string{}
	t := a.Table(term.Whole("ACCOUNT"), term.Whole("REGION"), term.Whole("LISTED"), term.Whole("NEW"), term.Whole("CHANGED"), term.Whole("LOST"))
	for _, r := range results {
		account := alert.WithAccount(r.Account, r.AccountName)
		cells := []any{account, r.Region, r.Listed, r.New, r.Changed, r.Lost}
		switch {
		case r.Error != "":
			failed++
			why := refusal{account, r.Error}
			if regions[why] == nil {
				causes = append(causes, why)
			}
			regions[why] = append(regions[why], r.Region)
			cells = []any{account, r.Region, term.Colored("failed", term.Red), "", "", ""}
		case r.Lost > 0:
			cells[5] = term.Colored(fmt.Sprint(r.Lost), term.Red)
		}
		t.Add(r, cells...)
	}
	t.Flush()
	for _, c := range causes {
		a.complain(fmt.Sprintf("%s %s: %s", c.account, strings.Join(regions[c], ", "), c.why))
	}
	if failed > 0 {
		return fmt.Errorf("%d of %d could not be refreshed: their part of the snapshot stays as it was", failed, len(results))
	}
	return nil
}
