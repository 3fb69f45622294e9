package main

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/spf13/cobra"

	"flowkeeper/alert"
	"flowkeeper/configs"
	"flowkeeper/internal/daemon"
	"flowkeeper/internal/exportfile"
	"flowkeeper/internal/organization"
	"flowkeeper/internal/scopes"
	"flowkeeper/internal/term"
	"flowkeeper/inventory"
)

func newImportCommand(a *app) *cobra.Command {
	return a.withJSON("one JSON object", &cobra.Command{
		Use: "import FILE", Short: "Add flow logs from an export to the snapshot (- for stdin)", Args: oneArg("the file of an export (- for stdin)"),
		Long: `Add the flow logs of an export that are not in the snapshot; those that are stay
as they are. The whole file is checked first: with any problem nothing is
added. Accounts and Regions must be those of this configuration. Until AWS has
listed an imported flow log, only ` + "`flowkeeper restore`" + ` acts on it. Releases are
not imported.`,
		Example: `  flowkeeper inventory import snapshot.jsonl
  flowkeeper restore fl-0123456789abcdef0 --dry-run`,
		ValidArgsFunction: firstArg(completeFiles),
		RunE:              a.onState(importFile),
	})
}

func importFile(ctx context.Context, s state, args []string) error {
	name := args[0]
	in, err := s.open(ctx, name)
	if err != nil {
		return fmt.Errorf("read the export: %w", err)
	}
	defer in.Close()
	members, listed, err := s.Accounts(ctx)
	if err != nil {
		return err
	}
	known, err := s.Scopes(ctx)
	if err != nil {
		return err
	}
	here := watchedHere(s.conf, members, !listed.IsZero(), known)
	progress := s.Progress("reading "+term.Clean(name), 0)
	rows, problems := exportfile.Read(in, here, s.conf.Inventory.Destinations, s.now())
	progress.End()
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if len(problems) > 0 {
		for _, p := range problems {
			s.complain(name + ": " + p)
		}
		return errors.New("nothing was imported: correct the file, or export it again with `flowkeeper inventory export`")
	}
	added, err := s.Import(ctx, rows)
	if err != nil {
		return err
	}
	out := struct {
		Added int `json:"added"`
		Known int `json:"known"`
	}{added, len(rows) - added}
	s.Result(out, "%s added, %d known already", alert.Plural(out.Added, "flow log"), out.Known)
	return nil
}

// watchedHere are the accounts and Regions to protect. Where the configuration leaves them to AWS, they are
// those of the snapshot, if that is not empty; of an organisation that is not listed yet, all accounts.
func watchedHere(c configs.Config, members []organization.Member, listed bool, known []inventory.Scope) exportfile.Watched {
	protected, organized := daemon.ProtectedAccounts(c, "", members), c.Organization.RoleName != ""
	accounts, regions, own := []string{}, slices.Clone(c.Inventory.Regions), map[string][]string{}
	for _, x := range protected {
		accounts = append(accounts, x.ID)
		if len(x.Regions) > 0 {
			own[x.ID] = unlessAll(x.Regions)
		}
	}
	for _, x := range known {
		if len(protected) == 0 && !organized {
			accounts = append(accounts, x.Account)
		}
		if len(c.Inventory.Regions) == 0 {
			regions = append(regions, x.Region)
		}
	}
	w := exportfile.Watched{Organized: organized, Accounts: sortedSet(accounts), Regions: sortedSet(unlessAll(regions)), Own: own}
	w.AnyAccount = organized && !listed || !organized && len(accounts) == 0
	return w
}

// unlessAll are Regions, none if they are all.
func unlessAll(regions []string) []string {
	if slices.Contains(regions, scopes.AllRegions) {
		return nil
	}
	return regions
}
