package doctor

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"flowkeeper/alert"
	"flowkeeper/internal/organization"
	"flowkeeper/inventory"
)

// machine is this machine: its configuration, clock and state file, and the daemon on it.
type machine struct {
	*Doctor
	state   func() (stateFacts, error)
	listing func() (organization.Listing, error)
	names   func() map[string]string // of accounts; nil: not known yet
	watched []*subject               // what the configuration names
}

func newMachine(ctx context.Context, d *Doctor) *machine {
	m := &machine{Doctor: d, state: once(ctx, d.readState)}
	m.listing = sync.OnceValues(func() (organization.Listing, error) { return d.askOrganization(ctx) })
	m.names = sync.OnceValue(m.allNames)
	return m
}

// allNames are the names of accounts that the caller knows, and of those that the organisation lists.
func (m *machine) allNames() map[string]string {
	out := map[string]string{}
	if m.Protection != nil {
		l, _ := m.listing() // without it there are fewer
		for _, a := range l.Accounts {
			out[a.ID] = a.Name
		}
	}
	maps.Copy(out, m.Names)
	return out
}

// nameOf is the name of an account; empty: it is not known.
func (m *machine) nameOf(account string) string {
	if m == nil || m.names == nil {
		return ""
	}
	return alert.Clean(m.names()[account], alert.MaxName)
}

// named is an account as people read it, with its name.
func (m *machine) named(account string) string { return alert.WithAccount(account, m.nameOf(account)) }

func (*machine) at() inventory.Scope { return inventory.Scope{} }
func (*machine) unusable() string    { return "" }

// configuration reports the warnings of the configuration, which the caller has read.
func (m *machine) configuration(context.Context) (out []finding) {
	for _, w := range m.Warnings {
		out = append(out, finding{Warn, w.String(), ""})
	}
	if len(out) == 0 {
		return findings(fine("%s", cmp.Or(m.File, "the environment")))
	}
	return out
}

// How far the clock may be off: AWS accepts a signature for five minutes.
const (
	skewWorst = 5 * time.Minute
	skewBad   = 30 * time.Second
)

// clock compares this machine's clock with the Date of the first answer of AWS that has one.
func (m *machine) clock(ctx context.Context) finding {
	for _, s := range m.watched {
		who, _ := s.identity()
		if at, err := http.ParseTime(who.date); err == nil {
			return judgeClock(who.seen.Sub(at))
		}
	}
	return finding{Unknown, "can't tell: no answer of AWS has a Date", ""}
}

func judgeClock(ahead time.Duration) finding {
	off, where, refused := ahead.Abs().Round(time.Second), "behind", ""
	if ahead > 0 {
		where = "ahead of"
	}
	if off > skewWorst {
		refused = ": AWS refuses what is signed more than 5 minutes off"
	}
	if off <= skewBad {
		return fine("within %s of AWS's", max(off, time.Second))
	}
	return finding{failIf(off > skewWorst), fmt.Sprintf("the clock is %s %s AWS's%s", off, where, refused), "timedatectl set-ntp true"}
}

const noStateFile = "there is no state file to read it from"

// stateFile judges whether the daemon can use the state file, and others can't.
func (m *machine) stateFile(ctx context.Context) finding {
	path := m.Config.State.Path
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
	text := path + ": " + alert.Plural(all, "flow log") + " protected"
	if left := unwatched(facts.stillProtected(), m.watched, m.named); len(left) > 0 {
		return finding{Warn, text + ", but not watched any more, for it is not configured: " + alert.Clean(strings.Join(left, ", "), 500),
			"put them back into accounts: or inventory.regions in the configuration; flowkeeper inventory list names them"}
	}
	return fine("%s in %s", text, alert.Plural(len(facts.counts.RefreshedAt), "scope"))
}

// unwatched returns the scopes that have protected flow logs and are not configured any more,
// with how many. Scopes that may be configured are left out. named is an account with its name.
func unwatched(protected map[inventory.Scope]int, subjects []*subject, named func(account string) string) (out []string) {
	watched, unsure := map[inventory.Scope]bool{}, map[string]bool{}
	for _, s := range subjects {
		if s.scope.Account == "" { // the account of the credentials is not known
			return nil
		}
		watched[s.scope] = true
		unsure[s.scope.Account] = unsure[s.scope.Account] || s.regionsErr != nil
	}
	left := slices.DeleteFunc(slices.Collect(maps.Keys(protected)), func(s inventory.Scope) bool { return watched[s] || unsure[s.Account] })
	slices.SortFunc(left, func(a, b inventory.Scope) int { return strings.Compare(a.String(), b.String()) })
	for _, s := range left {
		out = append(out, fmt.Sprintf("%d of %s %s", protected[s], named(s.Account), s.Region))
	}
	return out
}

// roomFor judges whether the daemon could make the file. The daemon also makes the file's folder, but none above it.
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
	dir := filepath.Dir(m.Config.State.Path)
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

// daemon asks the daemon on this machine whether it is healthy and ready.
func (m *machine) daemon(ctx context.Context) finding {
	held := lockHeld(m.Config.State.Path + ".lock")
	listen := m.Config.HTTP.Listen
	if listen == "" {
		if held {
			return fine("a daemon holds the state file; http.listen is off, so that it can't be asked")
		}
		return m.noDaemon("no daemon holds the state file here, and http.listen is off")
	}
	healthy, herr := m.get(ctx, "/healthz")
	if herr != nil {
		if held {
			return finding{Fail, "a daemon holds the state file, but does not answer at http.listen: " + errorText(herr), "journalctl -u flowkeeper; systemctl restart flowkeeper"}
		}
		return m.noDaemon("nothing answers at " + listen + ", so that no daemon runs here")
	}
	ready, rerr := m.get(ctx, "/readyz")
	switch {
	case healthy != "ok":
		return finding{Fail, "not healthy: " + alert.Clean(healthy, maxWords), "journalctl -u flowkeeper"}
	case rerr != nil:
		return finding{Unknown, "can't tell: " + errorText(rerr), ""}
	}
	return readiness(listen, alert.Clean(ready, maxWords))
}

// readiness judges the answer of /readyz: "ok", or "ok, 3 of 4 scopes", or an error.
func readiness(listen, ready string) finding {
	scopes, ok := strings.CutPrefix(ready, "ok")
	if !ok {
		return finding{Fail, "not ready: " + ready, "journalctl -u flowkeeper"}
	}
	f := fine("healthy and ready at %s%s", listen, scopes)
	var refreshed, all int
	if _, err := fmt.Sscanf(scopes, ", %d of %d scopes", &refreshed, &all); err == nil && refreshed < all {
		return finding{Warn, f.detail + ": not all are refreshed", "flowkeeper alerts list; journalctl -u flowkeeper"}
	}
	return f
}

// noDaemon is the finding if no daemon runs here: a failure if a daemon has worked with this state file.
func (m *machine) noDaemon(why string) finding {
	facts, err := m.state()
	last := slices.MaxFunc(slices.AppendSeq([]time.Time{{}}, maps.Values(facts.counts.RefreshedAt)), time.Time.Compare)
	if err != nil || last.IsZero() {
		return finding{Unknown, "can't tell: " + why, "systemctl start flowkeeper"}
	}
	return finding{Fail, fmt.Sprintf("%s, and the one whose state file this is was at work until %s or later: nothing is restored", why, last.UTC().Format(time.RFC3339)), "systemctl start flowkeeper"}
}

const maxAnswer = 4 << 20 // bytes of a daemon's answer

// get asks the daemon over HTTP, without a proxy. The answer is the text, whatever the status.
func (m *machine) get(ctx context.Context, path string) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, 3*time.Second)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+m.Config.HTTP.Listen+path, nil)
	if err != nil {
		return "", err
	}
	direct := &http.Transport{DisableKeepAlives: true}
	out, err := direct.RoundTrip(r)
	if err != nil {
		return "", err
	}
	defer out.Body.Close()
	text, err := io.ReadAll(io.LimitReader(out.Body, maxAnswer))
	return strings.TrimSpace(string(text)), err
}

// oldest returns the age of the oldest message that the daemon here last received, if there
// is one.
func (m *machine) oldest(ctx context.Context) (age time.Duration, known bool) {
	text, err := m.get(ctx, "/metrics")
	if err != nil { // also if http.listen is empty
		return 0, false
	}
	for line := range strings.Lines(text) {
		name, value, _ := strings.Cut(strings.TrimSpace(line), " ")
		if seconds, err := strconv.ParseFloat(value, 64); err == nil && name == "flowkeeper_queue_oldest_message_seconds" {
			return time.Duration(seconds * float64(time.Second)), true
		}
	}
	return 0, false
}

// lockHeld reports whether a process holds the lock. It does not take the lock to find out,
// because a daemon that starts at this moment would give up.
func lockHeld(path string) bool {
	info, err := os.Stat(path)
	if err != nil {
		return false
	}
	st, is := info.Sys().(*syscall.Stat_t)
	locks, err := os.ReadFile("/proc/locks")
	if err != nil || !is {
		return false
	}
	for line := range strings.Lines(string(locks)) {
		fields := strings.Fields(line) // 1: FLOCK ADVISORY WRITE pid major:minor:inode 0 EOF
		if len(fields) >= 6 && fields[1] == "FLOCK" && strings.HasSuffix(fields[5], ":"+strconv.FormatUint(st.Ino, 10)) {
			return true
		}
	}
	return false
}
