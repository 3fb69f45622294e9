package main

import (
	"bufio"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"flowkeeper/alert"
	"flowkeeper/internal/daemon"
	"flowkeeper/internal/exportfile"
	"flowkeeper/internal/term"
	"flowkeeper/inventory"
)

func newExportCommand(a *app) *cobra.Command {
	return &cobra.Command{
		Use: "export [FILE]", Short: "Write the snapshot as JSON lines, to FILE or stdout", Args: someArgs(0, 1, "one file at most"),
		Long: `Write every flow log of the snapshot with all its settings, one JSON object on a
line, after a line that names the format. ` + "`flowkeeper inventory import`" + ` reads
it, on this machine or another. FILE is replaced only by a complete export.`,
		Example: `  flowkeeper inventory export snapshot.jsonl
  flowkeeper inventory export | ssh elsewhere flowkeeper inventory import -`,
		ValidArgsFunction: firstArg(completeFiles),
		RunE: a.onState(func(ctx context.Context, s state, args []string) error {
			if len(args) == 0 || args[0] == "-" {
				_, err := writeExport(ctx, s, s)
				return err
			}
			return exportToFile(ctx, s, args[0])
		}),
	}
}

// writeExport returns how many flow logs it wrote.
func writeExport(ctx context.Context, s state, to io.Writer) (n int, err error) {
	w := bufio.NewWriter(to)
	if err := term.WriteJSON(w, exportfile.NewHead(s.now())); err != nil {
		return 0, err
	}
	progress := s.Progress("reading flow logs", 0)
	defer progress.End()
	err = s.FlowLogs(ctx, func(r inventory.Row) error {
		n++
		progress.Step()
		return term.WriteJSON(w, exportfile.New(r))
	})
	return n, cmp.Or(err, w.Flush()) // after a failed write, Flush returns the same error again
}

// exportToFile replaces a regular file, also one that a symbolic link leads to. It writes into
// any other file, such as a pipe.
func exportToFile(ctx context.Context, s state, name string) error {
	write := replaceFile
	if info, err := os.Stat(name); err == nil && !info.Mode().IsRegular() {
		write = writeInto
	} else if file, err := filepath.EvalSymlinks(name); err == nil {
		name = file
	}
	n, err := write(ctx, s, name)
	if err != nil {
		return fmt.Errorf("write the export: %w", err)
	}
	s.Note("%s written to %s", alert.Plural(n, "flow log"), term.Clean(name))
	return nil
}

// replaceFile replaces the file only by a complete export.
func replaceFile(ctx context.Context, s state, name string) (n int, err error) {
	f, err := os.CreateTemp(filepath.Dir(name), ".flowkeeper-export-")
	if file, ok := errors.AsType[*fs.PathError](err); ok {
		return 0, fmt.Errorf("%s: %w", name, file.Err) // users do not know the temporary file's name
	}
	if err != nil {
		return 0, err
	}
	n, err = writeExport(ctx, s, f)
	if err = errors.Join(err, f.Sync(), f.Close()); err == nil {
		err = os.Rename(f.Name(), name)
	}
	if err != nil {
		err = errors.Join(err, os.Remove(f.Name()))
	}
	return n, err
}

func writeInto(ctx context.Context, s state, name string) (n int, err error) {
	f, err := os.OpenFile(name, os.O_WRONLY, 0)
	if err != nil {
		return 0, err
	}
	n, err = writeExport(ctx, s, f)
	return n, errors.Join(err, f.Close())
}

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
	known, scopesErr := s.Scopes(ctx)
	if err = errors.Join(err, scopesErr); err != nil {
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
