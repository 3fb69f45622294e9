package doctor

import (
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
	"flowkeeper/inventory"
)

const noStateFile = "there is no state file to read it from"

// stateFile judges whether the daemon can use the state file, and others can't.
func (m *machine) stateFile(ctx context.Context) finding {
	path := m.conf.State.Path
	info, err := os.Stat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return roomFor(path)
	}
	if err != nil {
		return finding{Fail, err.Error(), "run this as the user that runs the daemon, or as root"}
	}
	facts, err := m.state()
	switch {
	case errors.Is(err, fs.ErrPermission):
		return finding{Unknown, "can't tell: " + err.Error(), "run this as the user that runs the daemon, or as root"}
	case err != nil:
		return finding{Fail, err.Error(), ""}
	case info.Mode().Perm()&0o007 != 0:
		return finding{Fail, fmt.Sprintf("%s is open to everybody on this machine (%s)", path, info.Mode().Perm()), "chmod 600 " + shellWord(path)}
	}
	all := 0
	for _, n := range facts.protected {
		all += n
	}
	text := path + ": " + plural(all, "flow log", "flow logs") + " protected"
	if left := unwatched(facts.protected, m.watched); len(left) > 0 {
		return finding{Warn, text + ", but not watched any more, for it is not configured: " + alert.Clean(strings.Join(left, ", "), 500),
			"put them back into accounts: or inventory.regions in the configuration; flowkeeper inventory list names them"}
	}
	return fine("%s in %s", text, plural(len(facts.counts.RefreshedAt), "scope", "scopes"))
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
	slices.SortFunc(left, func(a, b inventory.Scope) int { return strings.Compare(a.String(), b.String()) })
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

func (m *machine) diskSpace(context.Context) finding {
	dir := filepath.Dir(m.conf.State.Path)
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
	if free >= roomFew {
		return fine("%d MiB are free", free>>20)
	}
	return finding{failIf(free < roomTooFew), fmt.Sprintf("%d MiB are free in %s", free>>20, dir), "make room there, or set state.path to another disk"}
}
