package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"flowkeeper/alert"
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
	return n, errors.Join(err, w.Flush())
}

// exportToFile replaces a file, to which a link may lead. What is no regular file, such as
// a pipe, is written to.
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
		return 0, fmt.Errorf("%s: %w", name, file.Err) // nobody knows the temporary file
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
