package main

import (
	"bufio"
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"flowkeeper/alert"
	"flowkeeper/internal/term"
	"flowkeeper/inventory"
	"flowkeeper/remediate/incident"
)

// Bounds of what is read: far beyond any real inventory.
const (
	maxImportLine     = 1 << 20 // bytes
	maxImportRows     = 1_000_000
	maxImportProblems = 20
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
		ValidArgsFunction: firstArg(completeFiles()),
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
	here, err := watchedHere(ctx, s)
	if err != nil {
		return err
	}
	progress := s.Progress("reading "+term.Clean(name), 0)
	rows, problems := readExport(in, here, s.conf.Inventory.Destinations, s.now())
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

// watchedHere are the accounts and Regions of the configuration; if it has none, those
// of the snapshot, if that is not empty.
func watchedHere(ctx context.Context, s state) (w watchedScopes, err error) {
	scopes, err := s.Scopes(ctx)
	for _, x := range s.conf.Accounts {
		w.accounts = append(w.accounts, x.ID)
	}
	if len(s.conf.Accounts) == 0 {
		for _, x := range scopes {
			w.accounts = append(w.accounts, x.Account)
		}
	}
	if !slices.Contains(s.conf.Inventory.Regions, "all") {
		w.regions = s.conf.Inventory.Regions
		if len(w.regions) == 0 {
			for _, x := range scopes {
				w.regions = append(w.regions, x.Region)
			}
		}
	}
	return watchedScopes{sortedSet(w.accounts), sortedSet(slices.Clone(w.regions))}, err
}

// readExport reads and checks a whole export. With a problem there are no rows.
func readExport(in io.Reader, here watchedScopes, destinations []string, now time.Time) (rows []inventory.Row, problems []string) {
	lines := bufio.NewScanner(in)
	lines.Buffer(nil, maxImportLine)
	seen := map[[2]string]int{} // line of each scope's flow log
	n := 0
	for lines.Scan() && len(problems) < maxImportProblems {
		n++
		text := lines.Bytes()
		switch {
		case n == 1:
			if p := checkHead(text); p != "" {
				return nil, []string{"line 1: " + p}
			}
			continue
		case len(bytes.TrimSpace(text)) == 0:
			continue
		case len(rows) == maxImportRows:
			return nil, []string{fmt.Sprintf("more than %d flow logs", maxImportRows)}
		}
		row, err := readRow(text, here, destinations, now)
		if at, twice := seen[[2]string{row.Scope.String(), row.ID}]; err == nil && twice {
			err = fmt.Errorf("%s is in line %d already", row.ID, at)
		}
		if err != nil {
			problems = append(problems, fmt.Sprintf("line %d: %v", n, err))
			continue
		}
		seen[[2]string{row.Scope.String(), row.ID}] = n
		rows = append(rows, row)
	}
	if err := lines.Err(); errors.Is(err, bufio.ErrTooLong) {
		problems = append(problems, fmt.Sprintf("line %d: longer than %d bytes", n+1, maxImportLine))
	} else if err != nil {
		problems = append(problems, err.Error())
	}
	if n == 0 && len(problems) == 0 {
		problems = []string{"it is empty"}
	}
	if len(problems) > 0 {
		return nil, problems
	}
	return rows, nil
}

func checkHead(line []byte) string {
	var head exportHead
	if err := json.Unmarshal(line, &head); err != nil || head.Export == 0 {
		return `not an export: an export begins with {"flowkeeper_export":1,…}`
	}
	if head.Export != exportVersion {
		return fmt.Sprintf("format %d, this Flowkeeper reads %d: use the version that wrote it, or a newer one", head.Export, exportVersion)
	}
	return ""
}

func readRow(line []byte, here watchedScopes, destinations []string, now time.Time) (inventory.Row, error) {
	var f flowLogJSON
	d := json.NewDecoder(bytes.NewReader(line))
	d.DisallowUnknownFields()
	if err := d.Decode(&f); err != nil {
		return inventory.Row{}, fmt.Errorf("not a flow log: %w", err)
	}
	if _, err := d.Token(); err != io.EOF {
		return inventory.Row{}, errors.New("more than one JSON object")
	}
	if err := f.check(); err != nil {
		return inventory.Row{}, err
	}
	if err := here.check(f); err != nil {
		return inventory.Row{}, err
	}
	row := inventory.Row{
		FlowLog:     inventory.FlowLog{ID: f.FlowLogID, Scope: inventory.Scope{Account: f.Account, Region: f.Region}, Settings: f.settings()},
		RootID:      cmp.Or(f.RootFlowLogID, f.FlowLogID),
		State:       f.State,
		CreatedBy:   f.CreatedBy,
		FirstSeenAt: f.FirstSeenAt.Time,
		LastSeenAt:  f.LastSeenAt.Time,
	}
	if row.State == inventory.Gone {
		row.GoneAt = now // its retention begins now
	}
	row.Excluded = !incident.Protects(destinations, row.Destination(row.Scope))
	row.Protected = f.Protected && !row.Excluded
	return row, nil
}
