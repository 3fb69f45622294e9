package store

import (
	"bytes"
	"context"
	"crypto/sha256"
	"database/sql"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"

	"flowkeeper/alert"
	"flowkeeper/alert/sink"
	"flowkeeper/inventory"
	"flowkeeper/remediate/delivery"
	"flowkeeper/remediate/incident"
	"flowkeeper/remediate/rehearse"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var (
	scope = inventory.Scope{Account: "111122223333", Region: "eu-west-1"}
	noon  = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
)

func openAs(t *testing.T, path string, o Options) *Store {
	t.Helper()
	s, err := Open(t.Context(), path, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

// open opens a file as a daemon does, at noon.
func open(t *testing.T, path string) *Store {
	t.Helper()
	return openAs(t, path, Options{Daemon: true, Now: func() time.Time { return noon }, Route: func(alert.Alert) []string { return []string{"log", "hook"} }})
}

// raw opens a file, and makes it where there is none, as any program with SQLite does.
func raw(t *testing.T, path string) *sql.DB {
	t.Helper()
	db, err := sql.Open("sqlite", dsn(path, ""))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	return db
}

func exec(t *testing.T, db interface {
	Exec(query string, args ...any) (sql.Result, error)
}, query string, args ...any) {
	t.Helper()
	if _, err := db.Exec(query, args...); err != nil {
		t.Fatal(err)
	}
}

func fresh(t *testing.T) *Store { return open(t, filepath.Join(t.TempDir(), "state", "state.db")) }

func flowLog(id string) inventory.FlowLog {
	return inventory.FlowLog{ID: id, Scope: scope, Status: "ACTIVE", Settings: inventory.Settings{
		ResourceID: "vpc-1", LogDestinationType: inventory.S3, LogDestination: "arn:aws:s3:::bucket", Tags: map[string]string{"Name": id}}}
}

// learnAt puts live rows.
func (s *Store) learnAt(t *testing.T, at time.Time, found ...inventory.FlowLog) {
	t.Helper()
	s.put(t, func(tx *Tx) error {
		for _, f := range found {
			row := inventory.Row{FlowLog: f, RootID: f.ID, State: inventory.Live, Protected: true, FirstSeenAt: at, LastSeenAt: at, WrittenAt: at}
			if err := tx.PutFlowLog(row); err != nil {
				return err
			}
		}
		return nil
	})
}

func (s *Store) row(t *testing.T, id string) inventory.Row {
	t.Helper()
	r, ok, err := s.FindFlowLog(t.Context(), id)
	if err != nil || !ok {
		t.Fatalf("row %s: %v, %v", id, ok, err)
	}
	return r
}

func (s *Store) put(t *testing.T, fn func(*Tx) error) {
	t.Helper()
	if err := s.Update(t.Context(), fn); err != nil {
		t.Fatal(err)
	}
}

func (s *Store) sent(t *testing.T, sink, id string, at time.Time) {
	t.Helper()
	if err := s.Sent(t.Context(), sink, id, at); err != nil {
		t.Fatal(err)
	}
}

func (s *Store) rehearsed(t *testing.T, fn func(rehearse.Tx) error) {
	t.Helper()
	if err := s.Rehearsals().Update(t.Context(), fn); err != nil {
		t.Fatal(err)
	}
}

func TestWhatIsWrittenSurvivesReopening(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "state.db")
	s := open(t, path)
	s.learnAt(t, noon, flowLog("fl-1"))
	s.put(t, func(tx *Tx) error {
		return tx.PutIncident(incident.Incident{Scope: scope, FlowLogID: "fl-1", State: incident.Open, Known: true, DetectedAt: noon, NextAttemptAt: noon, Frozen: flowLog("fl-1").Settings})
	})
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	s = open(t, path)
	if r := s.row(t, "fl-1"); r.Tags["Name"] != "fl-1" || r.RootID != "fl-1" || !r.Protected {
		t.Errorf("row %+v", r)
	}
	i, _, ok, err := s.FindIncident(t.Context(), "fl-1")
	if err != nil || !ok || i.Frozen.LogDestination != "arn:aws:s3:::bucket" || !i.DetectedAt.Equal(noon) {
		t.Errorf("incident %+v, %v, %v", i, ok, err)
	}
}

// TestUpdateIsAllOrNothing: one change's failure neither leaves half of it
// behind nor takes the others of its group along, not even by a panic.
func TestUpdateIsAllOrNothing(t *testing.T) {
	t.Parallel()
	s := fresh(t)
	broken := errors.New("broken")
	var wg sync.WaitGroup
	for n := range 200 {
		wg.Go(func() {
			err := s.Update(context.Background(), func(tx *Tx) error {
				if err := tx.PutFlowLog(inventory.Row{FlowLog: flowLog(fmt.Sprintf("fl-%03d", n)), State: inventory.Live}); err != nil {
					return err
				}
				if n%3 == 0 {
					return broken
				}
				if n == 100 {
					panic("out of bounds")
				}
				return nil
			})
			if n == 100 && err != nil && strings.HasPrefix(err.Error(), "panic in a change of the state file: out of bounds") {
				return
			}
			if want := n%3 == 0; errors.Is(err, broken) != want || err != nil && !want {
				t.Errorf("change %d: %v", n, err)
			}
		})
	}
	wg.Wait()
	n := 0
	err := s.FlowLogs(t.Context(), func(r inventory.Row) error {
		n++
		var i int
		if _, err := fmt.Sscanf(r.ID, "fl-%d", &i); err != nil || i%3 == 0 || i == 100 {
			t.Errorf("half of change %s is there", r.ID)
		}
		return nil
	})
	if err != nil || n != 200-67-1 {
		t.Errorf("%d rows, %v", n, err)
	}
}

// until waits for something that another goroutine does.
func until(t *testing.T, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(10 * time.Second); !ok(); time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("it takes too long")
		}
	}
}

// TestACommitIsHandedOver: a caller that commits for others returns once its own change is on
// disk. It does not wait for changes that came meanwhile.
func TestACommitIsHandedOver(t *testing.T) {
	t.Parallel()
	s := fresh(t)
	var running atomic.Int32
	begin := func(id string, hold <-chan struct{}) <-chan error {
		ended := make(chan error, 1)
		go func() {
			ended <- s.Update(context.Background(), func(tx *Tx) error {
				running.Add(1)
				<-hold
				return put(id)(tx)
			})
		}()
		return ended
	}
	first, second := make(chan struct{}), make(chan struct{})
	one := begin("fl-1", first)
	until(t, func() bool { return running.Load() == 1 })
	two := begin("fl-2", second)
	until(t, func() bool { s.mu.Lock(); defer s.mu.Unlock(); return len(s.waiting) == 1 })
	close(first)
	select {
	case err := <-one:
		if err != nil {
			t.Error(err)
		}
	case <-time.After(10 * time.Second):
		t.Error("the first waits for the second")
	}
	s.row(t, "fl-1")
	close(second)
	if err := <-two; err != nil {
		t.Error(err)
	}
	s.row(t, "fl-2")
}

func TestUnseen(t *testing.T) {
	t.Parallel()
	s := fresh(t)
	s.learnAt(t, noon.Add(24*time.Hour), flowLog("fl-ahead")) // the clock has gone back since
	for n := range 10 {
		s.learnAt(t, noon.Add(time.Duration(n-9)*time.Minute), flowLog(fmt.Sprintf("fl-%d", n)))
	}
	known, err := s.Known(t.Context(), scope, []string{"fl-1", "fl-3", "fl-9", "fl-none"})
	if err != nil || len(known) != 3 {
		t.Fatalf("known %v, %v", known, err)
	}
	seen := &inventory.Seen{}
	for _, k := range known {
		seen.Add(k.Num)
	}
	var ids []string
	after := int64(0)
	for {
		rows, last, err := s.Unseen(t.Context(), scope, seen, noon.Add(-2*time.Minute), after, 2)
		if err != nil {
			t.Fatal(err)
		}
		if len(rows) == 0 {
			break
		}
		for _, r := range rows {
			ids = append(ids, r.ID)
		}
		after = last
	}
	if got := strings.Join(ids, " "); got != "fl-ahead fl-0 fl-2 fl-4 fl-5 fl-6" {
		t.Errorf("unseen and old enough: %s", got)
	}
}

func TestOutbox(t *testing.T) {
	t.Parallel()
	s := fresh(t)
	ctx := t.Context()
	add := func(id string) {
		s.put(t, func(tx *Tx) error {
			return tx.AddAlert(alert.Alert{ID: id, Time: alert.Time{Time: noon}, Kind: alert.Deletion})
		})
	}
	add("a")
	add("a") // the same alert again is no second one
	add("b")
	if id := nextID(t, s, "hook", noon); id != "a" {
		t.Fatalf("next is %s", id)
	}
	if err := s.Failed(ctx, "hook", "a", sink.Failure{Attempts: 1, NextAt: noon.Add(time.Minute), Cause: "refused"}); err != nil {
		t.Fatal(err)
	}
	if id := nextID(t, s, "hook", noon); id != "b" {
		t.Errorf("after a failure, next is %s", id)
	}
	s.sent(t, "hook", "b", noon)
	if id := nextID(t, s, "hook", noon); id != "none until 1m0s" {
		t.Errorf("nothing is due, and next is %s", id)
	}
	if id := nextID(t, s, "log", noon); id != "a" {
		t.Errorf("another sink is held up: next is %s", id)
	}
	if n, err := s.Retry(ctx, "a"); err != nil || n != 2 {
		t.Errorf("retried %d, %v", n, err)
	}
	if d, ok, _ := s.Next(ctx, "hook", noon); !ok || d.Alert.ID != "a" || d.Attempts != 0 {
		t.Errorf("after retry: %+v", d)
	}
}

// TestI7AnAnswerComesAfterWhatItAnswers, though that failed and others have their
// turn; what was given up is not waited for.
func TestI7AnAnswerComesAfterWhatItAnswers(t *testing.T) {
	t.Parallel()
	s := fresh(t)
	ctx := t.Context()
	addAll(t, s, noon, alert.Alert{ID: "deletion", DedupKey: "event", Kind: alert.Deletion},
		alert.Alert{ID: "closed", DedupKey: "event", Kind: alert.Closed}, alert.Alert{ID: "other", Kind: alert.Closed})
	fail := func(parked bool) {
		t.Helper()
		if err := s.Failed(ctx, "hook", "deletion", sink.Failure{Attempts: 10, NextAt: noon.Add(time.Minute), Cause: "down", Parked: parked, NotifyOthers: parked}); err != nil {
			t.Fatal(err)
		}
	}
	fail(false)
	if id := nextID(t, s, "hook", noon); id != "other" {
		t.Errorf("next is %s", id)
	}
	s.sent(t, "hook", "other", noon)
	if id := nextID(t, s, "hook", noon); id != "none until 1m0s" {
		t.Errorf("nothing is due, and next is %s", id)
	}
	if id := nextID(t, s, "hook", noon.Add(time.Minute)); id != "deletion" {
		t.Errorf("next is %s", id)
	}
	fail(true)
	if id := nextID(t, s, "hook", noon); id != "closed" {
		t.Errorf("next is %s", id)
	}
}

func TestOpenRefuses(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	newer := filepath.Join(dir, "newer.db")
	s := open(t, newer)
	exec(t, s.w, `PRAGMA user_version = 99`)
	s.Close()
	garbage := filepath.Join(dir, "garbage.db")
	if err := os.WriteFile(garbage, []byte(strings.Repeat("not a database ", 1000)), 0o600); err != nil {
		t.Fatal(err)
	}
	others := filepath.Join(dir, "others.db")
	db := raw(t, others)
	exec(t, db, `CREATE TABLE x (y); PRAGMA user_version = 3`)
	if err := errors.Join(db.Close(), os.Chmod(others, 0o640)); err != nil {
		t.Fatal(err)
	}
	before, err := os.ReadFile(others)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if after, err := os.ReadFile(others); err != nil || !bytes.Equal(before, after) {
			t.Errorf("another program's database is changed, %v", err)
		}
		info, err := os.Stat(others)
		if left, _ := filepath.Glob(others + "?*"); err != nil || info.Mode().Perm() != 0o640 || len(left) > 0 {
			t.Errorf("beside another program's database is %v, and it is %v, %v", left, info, err)
		}
	})
	empty := filepath.Join(dir, "empty.db")
	if err := os.WriteFile(empty, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	running := filepath.Join(dir, "running.db")
	open(t, running)
	for name, c := range map[string]struct {
		path   string
		daemon bool
		says   string
	}{
		"missing, for a command":   {filepath.Join(dir, "none.db"), false, "flowkeeper run"},
		"newer":                    {newer, true, "newer Flowkeeper"},
		"newer, for a command":     {newer, false, "schema 99"},
		"garbage":                  {garbage, true, "can't be read as a state file"},
		"another's":                {others, true, "another program's database"},
		"another's, for a command": {others, false, "another program's database"},
		"empty, for a command":     {empty, false, "`flowkeeper run` fills it"},
		"a second daemon":          {running, true, "another Flowkeeper"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s, err := Open(context.Background(), c.path, Options{Daemon: c.daemon})
			if err == nil {
				s.Close()
			}
			if err == nil || !strings.Contains(err.Error(), c.says) || !strings.Contains(err.Error(), c.path) {
				t.Errorf("error %v, want one that names the file and says %q", err, c.says)
			}
		})
	}
	if _, err := os.Stat(filepath.Join(dir, "none.db")); !errors.Is(err, os.ErrNotExist) {
		t.Error("a command made the state file")
	}
}

// TestTheFileIsTheDaemonsAlone, also where it was not.
func TestTheFileIsTheDaemonsAlone(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "state.db")
	s := open(t, path)
	s.put(t, put("fl-1"))
	copied := filepath.Join(t.TempDir(), "state.db")
	for _, end := range []string{"", "-wal"} { // as one that is restored from a copy
		b, err := os.ReadFile(path + end)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(copied+end, b, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	path = copied
	open(t, path).put(t, put("fl-2"))
	for _, end := range []string{"", "-wal", "-shm"} {
		if info, err := os.Stat(path + end); err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("%s: %v, %v", path+end, info, err)
		}
	}
}

// TestCommandsWhileTheDaemonRuns: a command writes while the daemon has the file open, and the
// daemon notices.
func TestCommandsWhileTheDaemonRuns(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "state.db")
	d := open(t, path)
	d.learnAt(t, noon, flowLog("fl-1"))
	before, err := d.Version(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	d.learnAt(t, noon, flowLog("fl-2"))
	if v, _ := d.Version(t.Context()); v != before {
		t.Error("the daemon's own write looks like another's")
	}
	c := openAs(t, path, Options{})
	n, err := c.Change(t.Context(), func(r *inventory.Row) bool { r.ReleaseReason = "test"; return r.ID == "fl-1" })
	if err != nil || n != 1 {
		t.Fatalf("changed %d, %v", n, err)
	}
	if v, _ := d.Version(t.Context()); v == before {
		t.Error("the daemon does not notice a command's write")
	}
	if d.row(t, "fl-1").ReleaseReason != "test" || d.row(t, "fl-2").ReleaseReason != "" {
		t.Error("the wrong rows were changed")
	}
}

// TestMigrationsNeverChange: a file has the schema of its version whichever program made
// it. One that differs would be refused as a copy: it is not Flowkeeper's alone.
func TestMigrationsNeverChange(t *testing.T) {
	t.Parallel()
	want := []string{"9689619d2a3a9fa6", "b21467e323873b34", "33590fd57d254c98", "fb36e75cfa6b830a", "14cc646f79754c5c", "1f0cb61cdc7a4b95", "b74b275a01dd1bbc", "016e81676c892ac0", "8a8410bd08ed832a", "0480039b14d476cb"}
	for n, m := range migrations {
		if got := fmt.Sprintf("%x", sha256.Sum256([]byte(m)))[:16]; n >= len(want) || got != want[n] {
			t.Errorf("the step to schema %d is %s: add another step, and never change one", n+1, got)
		}
	}
}

func TestMigrationKeepsTheOldFile(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "state.db")
	open(t, path).Close()
	db := raw(t, path)
	all := append(slices.Clip(migrations), `CREATE TABLE later (x)`)
	if err := migrate(t.Context(), db, path, all); err != nil {
		t.Fatal(err)
	}
	if info, err := os.Stat(fmt.Sprintf("%s.schema-%d", path, len(migrations))); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the copy of the older file: %v, %v", info, err)
	}
	if _, err := db.Exec(`SELECT x FROM later`); err != nil {
		t.Error(err)
	}
}

// TestUpgradeAfterADeath: a process was killed while it copied the old file, or after that.
func TestUpgradeAfterADeath(t *testing.T) {
	t.Parallel()
	path := older(t, 2)
	for _, end := range []string{".schema-2", ".schema-2.tmp"} {
		if err := os.WriteFile(path+end, []byte("half of it"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	open(t, path)
	if version, err := versionOf(t.Context(), raw(t, path+".schema-2"), path); err != nil || version != 2 {
		t.Errorf("the copy kept has schema %d, %v", version, err)
	}
}

// TestUpgradeAlertsOfWhatIsNotBack: an older file has no time at which that is alerted.
func TestUpgradeAlertsOfWhatIsNotBack(t *testing.T) {
	t.Parallel()
	path := older(t, 6)
	db := raw(t, path)
	for id, state := range map[string]incident.State{"fl-1": incident.Blocked, "fl-2": incident.Verified} {
		i := incident.Incident{Scope: inventory.Scope{Account: "1", Region: id}, FlowLogID: id, EventID: "e", State: state, Known: true, Attempts: 3}
		exec(t, db, `INSERT INTO incidents (account, region, id, root_id, resource_id, state, reason, known, event_id, detected_at, first_seen_at, body) VALUES ('1', ?1, ?1, ?1, '', ?2, '', 1, 'e', 0, 0, ?3)`, id, state, body(i))
		exec(t, db, `INSERT INTO events (account, region, id, detected_at, body) VALUES ('1', ?, 'e', 0, ?)`, id, body(incident.Event{Scope: i.Scope, ID: "e"}))
	}
	err := open(t, path).View(t.Context(), func(tx *Tx) error {
		due, err := tx.DueScopes(time.Now())
		if len(due) != 1 || due[0].Region != "fl-1" {
			t.Errorf("due in %v", due)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

// TestUpgradeFromTheFirstSchema: the rows stay, and the next refresh learns each
// of them anew, as the first: it fills in what the first schema did not keep,
// and has no news.
func TestUpgradeFromTheFirstSchema(t *testing.T) {
	t.Parallel()
	row := inventory.Row{FlowLog: flowLog("fl-1"), RootID: "fl-1", State: inventory.Live, Protected: true, FirstSeenAt: noon}
	digest := row.Digest()
	path := older(t, 1)
	db := raw(t, path)
	exec(t, db, `INSERT INTO scopes VALUES (?, ?, 1, 1)`, scope.Account, scope.Region)
	exec(t, db, `INSERT INTO flow_logs (account, region, id, root_id, resource_id, state, protected, written_at, digest, body) VALUES (?, ?, 'fl-1', 'fl-1', 'vpc-1', 'live', 1, 1, ?, ?)`,
		scope.Account, scope.Region, digest[:], body(row))
	s := open(t, path)
	known, err := s.Known(t.Context(), scope, []string{"fl-1"})
	if err != nil || len(known) != 1 || known["fl-1"].Digest == digest {
		t.Errorf("known %+v, %v", known, err)
	}
	s.put(t, func(tx *Tx) error {
		first, err := tx.FirstRefreshed(scope)
		if first {
			t.Error("the next refresh would not count as the first")
		}
		return err
	})
	if s.row(t, "fl-1").Tags["Name"] != "fl-1" {
		t.Error("the row is not as it was")
	}
}

// older makes a state file of an older schema with protected rows.
func older(t *testing.T, version int, rows ...inventory.Row) (path string) {
	t.Helper()
	path = filepath.Join(t.TempDir(), "state.db")
	db := raw(t, path)
	if err := migrate(t.Context(), db, path, migrations[:version]); err != nil {
		t.Fatal(err)
	}
	for _, r := range rows {
		exec(t, db, `INSERT INTO flow_logs (account, region, id, root_id, resource_id, state, protected, written_at, digest, needs, body) VALUES (?, ?, ?, ?, ?, 'live', 1, 1, x'', ?, ?)`,
			r.Scope.Account, r.Scope.Region, r.ID, r.RootID, r.ResourceID, body(delivery.TargetOf(r.FlowLog)), body(r))
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	return path
}

// TestUpgradeKnowsReleases: what was released before the upgrade is so after it.
func TestUpgradeKnowsReleases(t *testing.T) {
	t.Parallel()
	until := noon.Add(time.Hour + 123*time.Millisecond)
	released := inventory.Row{FlowLog: flowLog("fl-1"), RootID: "fl-1", State: inventory.Live, Protected: true, WrittenAt: noon, ReleasedUntil: until}
	kept := released
	kept.ID, kept.ReleasedUntil = "fl-2", time.Time{}
	path := older(t, 5, released, kept)
	got, err := open(t, path).Released(t.Context())
	if err != nil || got.FlowLogs != 1 || !got.Until.Equal(until.Truncate(time.Second)) {
		t.Errorf("%+v, %v", got, err)
	}
}

// TestI12HistoryIsBounded: forged records of one flow log can't fill the disk. Fewer lines are
// kept of an unknown one.
func TestI12HistoryIsBounded(t *testing.T) {
	t.Parallel()
	for known, most := range map[bool]int{true: maxHistory, false: maxUnknownHistory} {
		s := fresh(t)
		s.put(t, func(tx *Tx) error {
			if err := tx.PutIncident(incident.Incident{Scope: scope, FlowLogID: "fl-1", State: incident.Open, Known: known}); err != nil {
				return err
			}
			for n := range 3 * maxHistory {
				if err := tx.AddHistory(scope, "fl-1", incident.Entry{EventID: fmt.Sprint(n)}); err != nil {
					return err
				}
			}
			return nil
		})
		_, h, _, err := s.FindIncident(t.Context(), "fl-1")
		if err != nil || len(h) != most {
			t.Errorf("known %v: %d lines, %v", known, len(h), err)
		}
	}
}

// TestI12UnknownIncidentsAreBounded, open ones too, and nothing of those that
// are dropped stays behind.
func TestI12UnknownIncidentsAreBounded(t *testing.T) {
	t.Parallel()
	s := fresh(t)
	put := func(id string, i incident.Incident) {
		t.Helper()
		s.put(t, func(tx *Tx) error {
			i.Scope, i.FlowLogID, i.EventID = scope, id, "event"
			return errors.Join(tx.PutIncident(i), tx.AddHistory(scope, id, incident.Entry{EventID: "event"}))
		})
	}
	put("fl-known", incident.Incident{State: incident.Open, Known: true, DetectedAt: noon.Add(-time.Hour)})
	put("fl-settled", incident.Incident{State: incident.Closed, DetectedAt: noon})
	for m := range 13 {
		s.put(t, func(tx *Tx) error {
			for n := range 1000 {
				id := fmt.Sprintf("fl-%08d", 1000*m+n)
				i := incident.Incident{Scope: scope, FlowLogID: id, State: incident.Open, DetectedAt: noon.Add(-time.Minute)}
				if err := errors.Join(tx.PutIncident(i), tx.AddHistory(scope, id, incident.Entry{EventID: "event"})); err != nil {
					return err
				}
			}
			return nil
		})
	}
	incidents, histories := s.count(t, `SELECT count(*) FROM incidents`), s.count(t, `SELECT count(*) FROM history`)
	if incidents > maxUnknown+1001 || histories != incidents {
		t.Errorf("%d incidents with %d lines of history", incidents, histories)
	}
	if _, _, ok, err := s.FindIncident(t.Context(), "fl-known"); !ok || err != nil {
		t.Errorf("a known one is dropped: %v", err)
	}
	if _, _, ok, err := s.FindIncident(t.Context(), "fl-settled"); ok || err != nil {
		t.Errorf("a settled one does not go first: %v", err)
	}
}
