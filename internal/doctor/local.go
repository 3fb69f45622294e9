package doctor

import (
	"bufio"
	"cmp"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/robfig/cron/v3"

	"flowkeeper/alert"
	"flowkeeper/configs"
	"flowkeeper/inventory"
)

// configuration was read before there was a doctor; what is allowed but may
// not be meant is a warning.
func (d *Doctor) configuration() (out []Result) {
	for _, w := range d.Warnings {
		out = append(out, finding{Warn, w.String(), ""}.at(checks()[0].Check, inventory.Scope{}))
	}
	if len(out) == 0 {
		out = append(out, fine("%s", cmp.Or(d.File, "the environment")).at(checks()[0].Check, inventory.Scope{}))
	}
	return out
}

// alertSinks asks where an alert of a deletion would go, and whether the sinks
// take what they are sent.
func (e *exam) alertSinks(ctx context.Context) (out []finding) {
	m, _ := e.stateFacts() // where there is none, nothing was sent
	for _, s := range e.d.Config.Alerts {
		waiting, lost := m.counts.Pending[s.Name], m.counts.Parked[s.Name]
		if m.counts.Refused[s.Name] == 0 { // what was not tried yet is only on its way
			waiting = 0
		}
		if waiting+lost > 0 {
			out = append(out, finding{Fail, fmt.Sprintf("%s does not take what it is sent: %s not delivered, %d of them given up", s.Name, plural(waiting+lost, "alert", "alerts"), lost),
				"flowkeeper alerts list --failed; once it takes them, for what was given up: flowkeeper alerts retry ID"})
		}
	}
	if f := e.deletionSinks(); f.status != OK || len(out) == 0 {
		out = append(out, f)
	}
	return out
}

// deletionSinks are the sinks of an alert of a deletion.
func (e *exam) deletionSinks() finding {
	watched := map[string]bool{}
	for _, a := range e.accounts {
		if a.id != "" { // only our own can be unknown
			watched[a.id] = true
		}
	}
	heard := e.d.Routes.For(alert.Alert{Kind: alert.Deletion, Level: alert.High})
	return judgeSinks(e.d.Config.Alerts, heard, watched)
}

// judgeSinks: whoever holds a watched account must not be able to silence what
// tells of it.
func judgeSinks(all []configs.Sink, heard []string, watched map[string]bool) finding {
	const add = "add a webhook, slack or pagerduty, or an sns topic of another account, under alerts: in the configuration; `flowkeeper alerts test` tries it"
	var outside, inside, unclear []string
	for _, s := range all {
		if !slices.Contains(heard, s.Name) {
			continue
		}
		switch why := insideWatched(s, watched); {
		case why != "":
			inside = append(inside, s.Name+" ("+why+")")
		case s.Type == "sns" && len(watched) == 0:
			unclear = append(unclear, s.Name)
		default:
			outside = append(outside, s.Name)
		}
	}
	switch {
	case len(outside) > 0:
		return fine("%s", strings.Join(outside, ", "))
	case len(unclear) > 0:
		return finding{Unknown, "can't tell whether " + strings.Join(unclear, ", ") + " is outside: which account is watched is not known, for the credentials do not work", ""}
	case len(inside) > 0:
		return finding{Warn, "only " + strings.Join(inside, ", ") + ": whoever holds that can silence it", add}
	case len(all) > 0:
		return finding{Fail, "no sink takes alerts of deletions (they are high): only this machine's log does", "lower min_level, or put deletion into kinds, of a sink under alerts:"}
	}
	return finding{Fail, "no sink is configured: alerts go to this machine's log only", add}
}

// near is why a sink is no further away than what is watched.
func insideWatched(s configs.Sink, watched map[string]bool) string {
	if s.Type == "sns" {
		if part := strings.Split(s.TopicARN, ":"); len(part) > 4 && watched[part[4]] {
			return "a topic of the watched account " + part[4]
		}
		return ""
	}
	u, err := url.Parse(s.URL)
	if err != nil || s.URL == "" {
		return ""
	}
	if ip := net.ParseIP(u.Hostname()); u.Hostname() == "localhost" || ip != nil && ip.IsLoopback() {
		return "on this machine"
	}
	return ""
}

// daemon asks the one on this machine how it is.
func (e *exam) daemon(ctx context.Context) []finding {
	held := lockHeld(e.d.Config.State.Path + ".lock")
	listen := e.d.Config.HTTP.Listen
	if listen == "" {
		if held {
			return one(fine("a daemon holds the state file; http.listen is off, so that it can't be asked"))
		}
		return one(e.noDaemon("no daemon holds the state file here, and http.listen is off"))
	}
	healthy, herr := e.get(ctx, "/healthz")
	if herr != nil {
		if held {
			return one(finding{Fail, "a daemon holds the state file, but does not answer at http.listen: " + errorText(herr), "journalctl -u flowkeeper; systemctl restart flowkeeper"})
		}
		return one(e.noDaemon("nothing answers at " + listen + ", so that no daemon runs here"))
	}
	ready, rerr := e.get(ctx, "/readyz")
	switch {
	case healthy != "ok":
		return one(finding{Fail, "not healthy: " + healthy, "journalctl -u flowkeeper"})
	case rerr != nil:
		return one(finding{Unknown, "can't tell: " + errorText(rerr), ""})
	}
	return one(readiness(listen, ready))
}

// readiness is what /readyz says: "ok", or "ok, 3 of 4 scopes", or why not.
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

// noDaemon: where one has worked on this machine, it should.
func (e *exam) noDaemon(why string) finding {
	m, err := e.stateFacts()
	var last time.Time
	for _, at := range m.counts.RefreshedAt {
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

// get asks the daemon. The text of any status is the answer.
func (e *exam) get(ctx context.Context, path string) (string, error) {
	host, port, err := net.SplitHostPort(e.d.Config.HTTP.Listen)
	if err != nil {
		return "", err
	}
	if ip := net.ParseIP(host); host == "" || ip != nil && ip.IsUnspecified() {
		host = "127.0.0.1"
	}
	ctx, cancel := context.WithTimeout(ctx, 3*time.Second)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+net.JoinHostPort(host, port)+path, nil)
	if err != nil {
		return "", err
	}
	direct := &http.Transport{DisableKeepAlives: true} // no proxy on the way to ourselves
	out, err := direct.RoundTrip(r)
	if err != nil {
		return "", err
	}
	defer out.Body.Close()
	text, err := io.ReadAll(io.LimitReader(out.Body, maxAnswer))
	if path != "/metrics" {
		return alert.Clean(strings.TrimSpace(string(text)), maxWords), err
	}
	return string(text), err
}

// oldest is how long the oldest message had waited, if a daemon here knows.
func (e *exam) oldest(ctx context.Context) (age time.Duration, known bool) {
	if e.d.Config.HTTP.Listen == "" {
		return 0, false
	}
	text, err := e.get(ctx, "/metrics")
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

// lockHeld reports whether a process holds the lock. It takes none itself: a
// daemon that starts at this moment would give up.
func lockHeld(path string) bool {
	info, err := os.Stat(path)
	if err != nil {
		return false
	}
	st, is := info.Sys().(*syscall.Stat_t)
	f, err := os.Open("/proc/locks")
	if err != nil || !is {
		return false
	}
	defer f.Close()
	lines := bufio.NewScanner(f)
	for lines.Scan() {
		fields := strings.Fields(lines.Text()) // 1: FLOCK ADVISORY WRITE pid major:minor:inode 0 EOF
		if len(fields) >= 6 && fields[1] == "FLOCK" && strings.HasSuffix(fields[5], ":"+strconv.FormatUint(st.Ino, 10)) {
			return true
		}
	}
	return false
}

const noStateFile = "there is no state file that could tell"

// refresh judges the snapshot's age.
func (e *exam) refresh(ctx context.Context, s *subject) []finding {
	m, err := e.stateFacts()
	if err != nil {
		return one(finding{Skipped, noStateFile, ""}) // what is wrong with it, its own check reports
	}
	return one(judgeRefresh(e.d.Config.Inventory.Schedule, m.counts.RefreshedAt[s.scope], e.d.Now()))
}

// restorable is what the last rehearsals said, and which incidents are not over.
func (e *exam) restorable(ctx context.Context) (out []finding) {
	m, err := e.stateFacts()
	if err != nil {
		return one(finding{Skipped, noStateFile, ""})
	}
	yes, no, unknown := m.counts.Restorable["yes"], m.counts.Restorable["no"], m.counts.Restorable["unknown"]
	if no > 0 {
		out = append(out, finding{Warn, fmt.Sprintf("the last rehearsal says that %s could not be restored", plural(no, "flow log", "flow logs")), "flowkeeper inventory list"})
	}
	if r := m.counts.Released; r.FlowLogs > 0 {
		out = append(out, finding{Warn, fmt.Sprintf("%s released until %s: a deletion would not be undone", plural(r.FlowLogs, "flow log is", "flow logs are"), r.Until.UTC().Format("2006-01-02 15:04 UTC")),
			"flowkeeper inventory list names them; if nobody means it any more: flowkeeper inventory release ID... --undo"})
	}
	if n := m.counts.Incidents["blocked"]; n > 0 {
		out = append(out, finding{Fail, fmt.Sprintf("%s blocked: what was deleted is dark until a person helps", plural(n, "incident is", "incidents are")), "flowkeeper incidents list --state blocked"})
	}
	if n := m.counts.Incidents["open"]; n > 0 {
		out = append(out, finding{Warn, fmt.Sprintf("%s open: what was deleted is not back yet", plural(n, "incident is", "incidents are")), "flowkeeper incidents list --state open"})
	}
	switch {
	case len(out) > 0:
		return out
	case yes+no+unknown == 0:
		return one(finding{Warn, "nothing is protected", "see inventory.regions, inventory.destinations and accounts: is this where your flow logs are?"})
	}
	return one(fine("%d by the last rehearsal, %d not rehearsed yet", yes, unknown))
}

// judgeRefresh: one that is late by more than a whole round is missing.
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

// roundTrip is the proof of the whole way: the rehearsals' own records.
func (e *exam) roundTrip(ctx context.Context, s *subject) []finding {
	m, err := e.stateFacts()
	if err != nil {
		return one(finding{Skipped, noStateFile, ""})
	}
	if len(m.rows[s.scope]) == 0 {
		return one(finding{Skipped, nothingHere, ""})
	}
	return one(judgeWay(m.ways[s.scope], e.d.Config.Rehearsal.Schedule, e.d.Now()))
}
