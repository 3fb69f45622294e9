package doctor

import (
	"bufio"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awsmiddleware "github.com/aws/aws-sdk-go-v2/aws/middleware"
	"github.com/aws/aws-sdk-go-v2/service/sts"
	smithyhttp "github.com/aws/smithy-go/transport/http"
	"github.com/robfig/cron/v3"

	"flowkeeper/alert"
	"flowkeeper/internal/store"
	"flowkeeper/inventory"
	"flowkeeper/remediate/delivery"
	"flowkeeper/remediate/rehearse"
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

// daemon asks the one on this machine how it is.
func (e *exam) daemon(ctx context.Context) finding {
	held := lockHeld(e.d.Config.State.Path + ".lock")
	listen := e.d.Config.HTTP.Listen
	if listen == "" {
		if held {
			return fine("a daemon holds the state file; http.listen is off, so that it can't be asked")
		}
		return e.noDaemon("no daemon holds the state file here, and http.listen is off")
	}
	healthy, herr := e.get(ctx, "/healthz")
	if herr != nil {
		if held {
			return finding{Fail, "a daemon holds the state file, but does not answer at http.listen: " + errorText(herr), "journalctl -u flowkeeper; systemctl restart flowkeeper"}
		}
		return e.noDaemon("nothing answers at " + listen + ", so that no daemon runs here")
	}
	ready, rerr := e.get(ctx, "/readyz")
	switch {
	case healthy != "ok":
		return finding{Fail, "not healthy: " + healthy, "journalctl -u flowkeeper"}
	case rerr != nil:
		return finding{Unknown, "can't tell: " + errorText(rerr), ""}
	}
	return readiness(listen, ready)
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

const noStateFile = "there is no state file to read it from"

// refresh judges the snapshot's age.
func (e *exam) refresh(ctx context.Context, s *subject) finding {
	m, err := e.stateFacts()
	if err != nil {
		return finding{Skipped, noStateFile, ""} // what is wrong with it, its own check reports
	}
	return judgeRefresh(e.d.Config.Inventory.Schedule, m.counts.RefreshedAt[s.scope], e.d.Now())
}

// restorable is what the last rehearsals said, and which incidents are not over.
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

// stateFacts is what is read from the state file.
type stateFacts struct {
	counts    store.Counts
	guarded   []string                // accounts
	known     []inventory.Scope       // what was ever there, too
	protected map[inventory.Scope]int // flow logs
	rows      map[inventory.Scope]map[delivery.Target][]inventory.Row
	pipelines map[inventory.Scope]rehearse.PipelineHealth
}

// How much of the snapshot is tried: restores with the same target are alike.
const (
	maxTargets = 20 // of a scope
	maxTries   = 3  // of each, where a resource is gone
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

// stateFile judges whether the daemon can use it, and nobody else can.
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

// identity is who AWS says that we are.
type identity struct {
	account, arn string
	date         string    // of the answer, as AWS's clock has it
	seen         time.Time // when it came, by our clock
}

func whoAmI(ctx context.Context, cfg aws.Config, now func() time.Time) (who identity, err error) {
	ctx, cancel := context.WithTimeout(ctx, oneCall)
	defer cancel()
	out, err := sts.NewFromConfig(cfg).GetCallerIdentity(ctx, &sts.GetCallerIdentityInput{})
	if err != nil {
		return identity{date: serverDate(err), seen: now()}, err
	}
	who = identity{account: aws.ToString(out.Account), arn: aws.ToString(out.Arn), seen: now()}
	if raw, is := awsmiddleware.GetRawResponse(out.ResultMetadata).(*smithyhttp.Response); is && raw.Response != nil {
		who.date = raw.Header.Get("Date")
	}
	return who, nil
}

// credentials: I13, for this scope, and for what is guarded. Where no account is
// configured it is that of the credentials, in which nothing is missing of another's.
func (e *exam) credentials(ctx context.Context, s *subject) []finding {
	out := s.credentials(ctx)
	who, err := s.identity()
	m, _ := e.stateFacts() // where there is none, nothing is guarded
	if err != nil || len(e.d.Accounts) > 0 || len(m.guarded) == 0 || slices.ContainsFunc(m.known, func(k inventory.Scope) bool { return k.Account == who.account }) {
		return out
	}
	guarded := strings.Join(m.guarded, ", ")
	return append(out, finding{Fail, fmt.Sprintf("the state file guards account %s, these credentials act in %s: nothing of %s is restored", guarded, who.account, guarded),
		"give the service credentials of " + guarded + ", or configure it under accounts: with a role; if " + who.account + " is meant, give it a state.path of its own"})
}

func (s *subject) credentials(ctx context.Context) []finding {
	who, err := s.identity()
	switch {
	case err != nil:
		return findings(finding{Fail, errorText(err), s.mendCredentials(err)})
	case who.account != s.scope.Account:
		return findings(finding{Fail, fmt.Sprintf("%s is of account %s, not %s: nothing it shows is believed", who.arn, who.account, s.scope.Account),
			"set accounts[].role_arn to a role of " + s.scope.Account + ", or give the service its credentials"})
	}
	out := findings(fine("%s", who.arn))
	if strings.HasSuffix(who.arn, ":root") {
		out = findings(finding{Warn, "these are the root user's: they may do everything, and only a service control policy binds them", leaveRoot})
	}
	if s.regions != nil {
		out = append(out, unanswered(s.regions))
	}
	return out
}

const leaveRoot = "make a role or user with deploy/iam-policy.json, and delete the root user's access key"

func (s *subject) mendCredentials(err error) string {
	c := code(err)
	switch {
	case s.account.RoleARN != "" && denied(err):
		return "let the trust policy of " + s.account.RoleARN + " name us (with accounts[].external_id, if it asks for one), and allow us sts:AssumeRole on it"
	case noCredentials(err):
		return "set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, AWS_PROFILE, or give the instance a role; under systemd see the comments of the unit"
	case strings.Contains(c, "Expired"):
		return "these credentials have ended: renew them (aws sso login), or use an instance role, which renews itself"
	case c == "InvalidClientTokenId", c == "UnrecognizedClientException", c == "AuthFailure":
		return "AWS knows no such access key (or not in this Region: it may not be enabled): see `aws sts get-caller-identity --region " + s.scope.Region + "`"
	case c == "SignatureDoesNotMatch", strings.Contains(c, "Skew"), c == "RequestExpired":
		return "see that the secret key is whole, and that the clock is right (the next check)"
	case c == "":
		return "see that this machine reaches sts." + s.scope.Region + ".amazonaws.com: DNS, proxy, firewall, aws.endpoint_url"
	}
	return ""
}

// How far the clock may be off: AWS takes a signature for five minutes.
const (
	skewWorst = 5 * time.Minute
	skewBad   = 30 * time.Second
)

// clock compares ours with that of any answer.
func (e *exam) clock(ctx context.Context) finding {
	for _, s := range e.subjects {
		who, _ := s.identity()
		if at, err := http.ParseTime(who.date); err == nil {
			return judgeClock(who.seen.Sub(at))
		}
	}
	return finding{Unknown, "can't tell: no answer of AWS has a Date", ""}
}

func judgeClock(ahead time.Duration) finding {
	off := ahead.Abs().Round(time.Second)
	f := finding{Warn, fmt.Sprintf("the clock is %s %s AWS's", off, map[bool]string{true: "ahead of", false: "behind"}[ahead > 0]), "timedatectl set-ntp true"}
	switch {
	case off > skewWorst:
		f.status, f.detail = Fail, f.detail+": AWS refuses what is signed more than 5 minutes off"
	case off <= skewBad:
		return fine("within %s of AWS's", max(off, time.Second))
	}
	return f
}
