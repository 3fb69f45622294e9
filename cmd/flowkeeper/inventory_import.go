package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/spf13/cobra"

	"flowkeeper/alert"
	"flowkeeper/internal/daemon"
	"flowkeeper/internal/exportfile"
	"flowkeeper/internal/term"
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
	open := s.openStdin
	if name != "-" {
		open = func(context.Context) (io.ReadCloser, error) { return os.Open(name) }
	}
	in, err := open(ctx)
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
	watched := daemon.WatchedBy(s.conf, members, !listed.IsZero(), known)
	progress := s.Progress("reading "+term.Clean(name), 0)
	rows, problems := exportfile.Read(in, watched.Check, s.conf.Inventory.Destinations, s.now())
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
