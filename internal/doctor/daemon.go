package doctor

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"strconv"
	"strings"
	"syscall"
	"time"

	"flowkeeper/alert"
)

// daemon asks the daemon on this machine whether it is healthy and ready.
func (m *machine) daemon(ctx context.Context) finding {
	held := lockHeld(m.conf.State.Path + ".lock")
	listen := m.conf.HTTP.Listen
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

// noDaemon is the finding if no daemon runs here: a failure if one has worked on this machine.
func (m *machine) noDaemon(why string) finding {
	facts, err := m.state()
	var last time.Time
	for _, at := range facts.counts.RefreshedAt {
		if at.After(last) {
			last = at
		}
	}
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
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+m.conf.HTTP.Listen+path, nil)
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
	if m.conf.HTTP.Listen == "" {
		return 0, false
	}
	text, err := m.get(ctx, "/metrics")
	if err != nil {
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
