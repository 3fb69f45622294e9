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

	"flowkeeper/alert"
	"flowkeeper/internal/store"
	"flowkeeper/inventory"
	"flowkeeper/remediate"
)

// stateFacts is what the state file tells.
type stateFacts struct {
	counts    store.Counts
	guarded   []string                // accounts
	known     []inventory.Scope       // what was ever there, too
	protected map[inventory.Scope]int // flow logs
	rows      map[inventory.Scope]map[remediate.Needs][]inventory.Row
	ways      map[inventory.Scope]remediate.Way
}

// How much of the snapshot is tried: restores with the same needs are alike.
const (
	maxNeeds = 20 // of a scope
	maxTries = 3  // of each, where a resource is gone
)

// readState reads the state file; where there is none, that is
// store.ErrMissing. Nothing is created.
func (d *Doctor) readState(ctx context.Context) (m stateFacts, err error) {
	if f, err := os.OpenFile(d.Config.State.Path, os.O_RDWR, 0); err == nil {
		f.Close()
	} else if !errors.Is(err, fs.ErrNotExist) {
		return m, err // before SQLite calls it something else
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
	m.rows, m.ways = map[inventory.Scope]map[remediate.Needs][]inventory.Row{}, map[inventory.Scope]remediate.Way{}
	if err := s.FlowLogs(ctx, func(r inventory.Row) error {
		if r.Rehearsable() {
			m.protected[r.Scope]++
		}
		m.add(r)
		return nil
	}); err != nil {
		return m, err
	}
	return m, s.View(ctx, func(tx remediate.Tx) error {
		for scope := range m.counts.RefreshedAt {
			if m.ways[scope], err = tx.Way(scope); err != nil {
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
		of = map[remediate.Needs][]inventory.Row{}
		m.rows[r.Scope] = of
	}
	n := remediate.NeedsOf(r.FlowLog)
	if have := of[n]; len(have) < maxTries && (len(have) > 0 || len(of) < maxNeeds) {
		of[n] = append(have, r)
	}
}

// stateFile sees that the daemon can work with it, and nobody else.
func (e *exam) stateFile(ctx context.Context) []finding {
	path := e.d.Config.State.Path
	info, err := os.Stat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return one(roomFor(path))
	}
	if err != nil {
		return one(finding{Fail, err.Error(), "run this as the user that runs the daemon, or as root"})
	}
	m, err := e.stateFacts()
	switch {
	case errors.Is(err, fs.ErrPermission):
		return one(finding{Unknown, "can't tell: " + err.Error(), "run this as the user that runs the daemon, or as root"})
	case err != nil:
		return one(finding{Fail, err.Error(), ""})
	case info.Mode().Perm()&0o007 != 0:
		return one(finding{Fail, fmt.Sprintf("%s is open to everybody on this machine (%s)", path, info.Mode().Perm()), "chmod 600 " + shellWord(path)})
	}
	all := 0
	for _, n := range m.protected {
		all += n
	}
	told := path + ": " + plural(all, "flow log", "flow logs") + " protected"
	if left := unwatched(m.protected, e.subjects); len(left) > 0 {
		return one(finding{Warn, told + ", but nobody guards " + alert.Clean(strings.Join(left, ", "), 500) + ": not configured any more",
			"put them back into accounts: or inventory.regions in the configuration; flowkeeper inventory list names them"})
	}
	return one(fine("%s in %s", told, plural(len(m.counts.RefreshedAt), "scope", "scopes")))
}

// unwatched are how many flow logs are protected in scopes that are not configured,
// as far as it is known which are.
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

// roomFor says whether the daemon could make the file: of its folders, one may
// be missing.
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

// Free bytes that are few, and too few.
const (
	roomFew    = 512 << 20
	roomTooFew = 64 << 20
)

func (e *exam) diskSpace(context.Context) []finding {
	dir := filepath.Dir(e.d.Config.State.Path)
	var s syscall.Statfs_t
	for err := syscall.Statfs(dir, &s); err != nil; err = syscall.Statfs(dir, &s) {
		if dir == filepath.Dir(dir) {
			return one(finding{Unknown, fmt.Sprintf("can't tell: %v", err), ""})
		}
		dir = filepath.Dir(dir)
	}
	return one(judgeSpace(dir, uint64(s.Bavail)*uint64(s.Bsize)))
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
