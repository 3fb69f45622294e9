package doctor

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/robfig/cron/v3"

	"flowkeeper/alert"
	"flowkeeper/internal/store"
	"flowkeeper/inventory"
	"flowkeeper/remediate/delivery"
	"flowkeeper/remediate/rehearse"
)

const noStateFile = "there is no state file to read it from"

// refresh judges the age of a scope's snapshot.
func (e *exam) refresh(ctx context.Context, s *subject) finding {
	m, err := e.stateFacts()
	if err != nil {
		return finding{Skipped, noStateFile, ""} // state-file reports the error
	}
	return judgeRefresh(e.d.Config.Inventory.Schedule, m.counts.RefreshedAt[s.scope], e.d.Now())
}

// restorable reports what the last rehearsals said, and incidents that are not over.
func (e *exam) restorable(ctx context.Context) (out []finding) {
	m, err := e.stateFacts()
	if err != nil {
		return findings(finding{Skipped, noStateFile, ""})
	}
	yes, no, unknown := m.counts.Restorable["yes"], m.counts.Restorable["no"], m.counts.Restorable["unknown"]
	if no > 0 {
		out = append(out, finding{Warn, fmt.Sprintf("the last rehearsal says that %s could not be restored", plural(no, "flow log", "flow logs")), "flowkeeper inventory list"})
	}
	if r := m.counts.Released; r.FlowLogs > 0 {
		out = append(out, finding{Warn, fmt.Sprintf("%s released until %s: a deletion would not be undone", plural(r.FlowLogs, "flow log is", "flow logs are"), r.Until.UTC().Format("2006-01-02 15:04 UTC")),
			"flowkeeper inventory list names them; to end that: flowkeeper inventory release ID... --undo"})
	}
	if n := m.counts.Incidents["blocked"]; n > 0 {
		out = append(out, finding{Fail, fmt.Sprintf("%s blocked: what was deleted stays gone until a person helps", plural(n, "incident is", "incidents are")), "flowkeeper incidents list --state blocked"})
	}
	if n := m.counts.Incidents["open"]; n > 0 {
		out = append(out, finding{Warn, fmt.Sprintf("%s open: what was deleted is not back yet", plural(n, "incident is", "incidents are")), "flowkeeper incidents list --state open"})
	}
	switch {
	case len(out) > 0:
		return out
	case yes+no+unknown == 0:
		return findings(finding{Warn, "nothing is protected", "see inventory.regions, inventory.destinations and accounts: is this where your flow logs are?"})
	}
	return findings(fine("%d by the last rehearsal, %d not rehearsed yet", yes, unknown))
}

// judgeRefresh warns if the schedule had two refreshes since the last one.
func judgeRefresh(schedule string, at, now time.Time) finding {
	const look = "see that the daemon runs, and what it logs: journalctl -u flowkeeper"
	if at.IsZero() {
		return finding{Warn, "there was no refresh yet", look}
	}
	s, err := cron.ParseStandard(schedule)
	if err != nil {
		return finding{Unknown, "can't tell: " + err.Error(), ""}
	}
	if late := s.Next(s.Next(at)).Add(2 * time.Minute); now.After(late) {
		return finding{Warn, fmt.Sprintf("the last refresh was %s ago, at %s, by the schedule %s", now.Sub(at).Round(time.Second), at.UTC().Format(time.RFC3339), schedule), look}
	}
	return fine("%s ago", now.Sub(at).Round(time.Second))
}

// stateFacts is what is read from the state file.
type stateFacts struct {
	counts    store.Counts
	guarded   []string                // accounts
	known     []inventory.Scope       // every scope that was ever refreshed
	protected map[inventory.Scope]int // flow logs
	rows      map[inventory.Scope]map[delivery.Target][]inventory.Row
	pipelines map[inventory.Scope]rehearse.PipelineHealth
}

// How much of the snapshot is tried: restores with the same target are alike.
const (
	maxTargets = 20 // of a scope
	maxTries   = 3  // of each, where a resource is gone
)

// readState reads the state file. It returns store.ErrMissing if there is none, and creates
// nothing.
func (d *Doctor) readState(ctx context.Context) (m stateFacts, err error) {
	if f, err := os.OpenFile(d.Config.State.Path, os.O_RDWR, 0); err == nil {
		f.Close()
	} else if !errors.Is(err, fs.ErrNotExist) {
		return m, err // SQLite would report another error
	}
	s, err := store.Open(ctx, d.Config.State.Path, store.Options{})
	if err != nil {
		return m, err
	}
	defer func() { err = errors.Join(err, s.Close()) }()
	if m.counts, err = s.Counts(ctx); err != nil {
		return m, err
	}
	if m.known, err = s.Scopes(ctx); err != nil {
		return m, err
	}
	if m.guarded, err = s.Guarded(ctx); err != nil {
		return m, err
	}
	m.protected = map[inventory.Scope]int{}
	m.rows, m.pipelines = map[inventory.Scope]map[delivery.Target][]inventory.Row{}, map[inventory.Scope]rehearse.PipelineHealth{}
	if err := s.FlowLogs(ctx, func(r inventory.Row) error {
		if r.Rehearsable() {
			m.protected[r.Scope]++
		}
		m.add(r)
		return nil
	}); err != nil {
		return m, err
	}
	return m, s.Rehearsals().View(ctx, func(tx rehearse.Tx) error {
		for scope := range m.counts.RefreshedAt {
			if m.pipelines[scope], err = tx.PipelineHealth(scope); err != nil {
				return err
			}
		}
		return nil
	})
}

func (m *stateFacts) add(r inventory.Row) {
	if !r.Rehearsable() {
		return
	}
	of := m.rows[r.Scope]
	if of == nil {
		of = map[delivery.Target][]inventory.Row{}
		m.rows[r.Scope] = of
	}
	n := delivery.TargetOf(r.FlowLog)
	if have := of[n]; len(have) < maxTries && (len(have) > 0 || len(of) < maxTargets) {
		of[n] = append(have, r)
	}
}

// stateFile judges whether the daemon can use the state file, and others can't.
func (e *exam) stateFile(ctx context.Context) finding {
	path := e.d.Config.State.Path
	info, err := os.Stat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return roomFor(path)
	}
	if err != nil {
		return finding{Fail, err.Error(), "run this as the user that runs the daemon, or as root"}
	}
	m, err := e.stateFacts()
	switch {
	case errors.Is(err, fs.ErrPermission):
		return finding{Unknown, "can't tell: " + err.Error(), "run this as the user that runs the daemon, or as root"}
	case err != nil:
		return finding{Fail, err.Error(), ""}
	case info.Mode().Perm()&0o007 != 0:
		return finding{Fail, fmt.Sprintf("%s is open to everybody on this machine (%s)", path, info.Mode().Perm()), "chmod 600 " + shellWord(path)}
	}
	all := 0
	for _, n := range m.protected {
		all += n
	}
	text := path + ": " + plural(all, "flow log", "flow logs") + " protected"
	if left := unwatched(m.protected, e.subjects); len(left) > 0 {
		return finding{Warn, text + ", but not watched any more, for it is not configured: " + alert.Clean(strings.Join(left, ", "), 500),
			"put them back into accounts: or inventory.regions in the configuration; flowkeeper inventory list names them"}
	}
	return fine("%s in %s", text, plural(len(m.counts.RefreshedAt), "scope", "scopes"))
}

// unwatched returns the scopes that have protected flow logs and are not configured any more,
// with how many. Scopes that may be configured are left out.
func unwatched(protected map[inventory.Scope]int, subjects []*subject) (out []string) {
	watched, unsure := map[inventory.Scope]bool{}, map[string]bool{}
	for _, s := range subjects {
		if s.scope.Account == "" { // whose the credentials are is not known
			return nil
		}
		watched[s.scope] = true
		unsure[s.scope.Account] = unsure[s.scope.Account] || s.regions != nil
	}
	left := slices.DeleteFunc(slices.Collect(maps.Keys(protected)), func(s inventory.Scope) bool { return watched[s] || unsure[s.Account] })
	slices.SortFunc(left, func(a, b inventory.Scope) int {
		return cmp.Or(cmp.Compare(a.Account, b.Account), cmp.Compare(a.Region, b.Region))
	})
	for _, s := range left {
		out = append(out, fmt.Sprintf("%d of %s %s", protected[s], s.Account, s.Region))
	}
	return out
}

// roomFor judges whether the daemon could make the file: it makes the last folder too.
func roomFor(path string) finding {
	folder := filepath.Dir(path)
	dir := folder
	if _, err := os.Stat(dir); errors.Is(err, fs.ErrNotExist) {
		dir = filepath.Dir(dir)
	}
	if _, err := os.Stat(dir); errors.Is(err, fs.ErrNotExist) {
		return finding{Fail, fmt.Sprintf("%s is not there, and neither are %s and the folder above", path, folder), "mend state.path, or make them: install -d -m 700 -o USER " + folder + " (the user that runs the daemon)"}
	}
	const write, enter = 2, 1
	if err := syscall.Access(dir, write|enter); err != nil {
		return finding{Fail, fmt.Sprintf("%s is not there, and %s can't be written: %v", path, dir, err), "install -d -m 700 -o USER " + folder + " (the user that runs the daemon), or set state.path"}
	}
	return fine("%s is not there yet: `flowkeeper run` makes it", path)
}

// Free bytes below which there is a warning, and a failure.
const (
	roomFew    = 512 << 20
	roomTooFew = 64 << 20
)

func (e *exam) diskSpace(context.Context) finding {
	dir := filepath.Dir(e.d.Config.State.Path)
	var s syscall.Statfs_t
	for err := syscall.Statfs(dir, &s); err != nil; err = syscall.Statfs(dir, &s) {
		if dir == filepath.Dir(dir) {
			return finding{Unknown, fmt.Sprintf("can't tell: %v", err), ""}
		}
		dir = filepath.Dir(dir)
	}
	return judgeSpace(dir, uint64(s.Bavail)*uint64(s.Bsize))
}

func judgeSpace(dir string, free uint64) finding {
	f := finding{Warn, fmt.Sprintf("%d MiB are free in %s", free>>20, dir), "make room there, or set state.path to another disk"}
	switch {
	case free < roomTooFew:
		f.status = Fail
	case free >= roomFew:
		return fine("%d MiB are free", free>>20)
	}
	return f
}
