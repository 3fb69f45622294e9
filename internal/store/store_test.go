package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"

	"flowkeeper/alert/alerttest"
	"flowkeeper/inventory"
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
	return openAs(t, path, Options{Daemon: true, Now: func() time.Time { return noon }, Routes: alerttest.To{"log", "hook"}})
}

// raw opens a file with plain SQLite, as any other program does, and creates it if there is none.
func raw(t *testing.T, path string) *sql.DB {
	t.Helper()
	db, err := sql.Open("sqlite", strings.Replace(dsn(path, ""), "mode=rw&", "", 1))
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

// num returns the number of the row of a flow log.
func (s *Store) num(t *testing.T, id string) (n int64) {
	t.Helper()
	err := s.View(t.Context(), func(tx *Tx) (err error) {
		n, err = firstValue[int64](tx, `SELECT num FROM flow_logs WHERE id = ?`, id)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// learnAt stores live, protected rows of flow logs that were first seen at a time.
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

// TestUpdateIsAllOrNothing: if a change fails or panics, no part of it is stored, and the other changes in its group
// are still committed.
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
			t.Errorf("a part of the failed change %s is stored", r.ID)
		}
		return nil
	})
	if err != nil || n != 200-67-1 {
		t.Errorf("%d rows, %v", n, err)
	}
}

// until waits until ok is true, which another goroutine brings about.
func until(t *testing.T, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(10 * time.Second); !ok(); time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("the condition was not true within 10 s")
		}
	}
}

// TestACommitIsHandedOver: a caller that commits for others returns once its own change is on
// disk. It does not wait for changes that came during its commit: another caller commits those.
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
		t.Error("the first caller still waits while the second change runs")
	}
	s.row(t, "fl-1")
	close(second)
	if err := <-two; err != nil {
		t.Error(err)
	}
	s.row(t, "fl-2")
}

// TestUnseenOfADamagedFile: if a damaged file has rows in an index that are not in the table, Unseen returns an error.
// Otherwise it would search for the rows without end.
func TestUnseenOfADamagedFile(t *testing.T) {
	t.Parallel()
	s := fresh(t)
	s.learnAt(t, noon, flowLog("fl-1"))
	s.Close()
	db := raw(t, s.path)
	db.SetMaxOpenConns(1)
	exec(t, db, `CREATE TABLE empty (num INTEGER PRIMARY KEY)`)
	exec(t, db, `PRAGMA writable_schema = ON`)
	exec(t, db, `UPDATE sqlite_schema SET rootpage = (SELECT rootpage FROM sqlite_schema WHERE name = 'empty') WHERE name = 'flow_logs'`)
	db.Close()
	damaged := openAs(t, s.path, Options{})
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	if _, _, err := damaged.Unseen(ctx, &inventory.Listing{Scope: scope, Before: noon.Add(time.Minute)}, "", 2); err == nil || !strings.Contains(err.Error(), "in an index alone") {
		t.Error(err)
	}
}

// TestCompare: Compare returns which flow logs of a listing are new or changed, and marks the rows that the scope has
// of all listed ones as seen.
func TestCompare(t *testing.T) {
	t.Parallel()
	s := fresh(t)
	elsewhere := flowLog("fl-elsewhere")
	elsewhere.Scope.Region = "us-east-1"
	s.learnAt(t, noon, flowLog("fl-same"), flowLog("fl-changed"), flowLog("fl-unlisted"), elsewhere)
	s.put(t, func(tx *Tx) error {
		return tx.PutFlowLog(inventory.Row{FlowLog: flowLog("fl-gone"), State: inventory.Gone, WrittenAt: noon, GoneAt: noon})
	})
	list := []inventory.Listed{{ID: "fl-new"}, {ID: "fl-same", Digest: flowLog("fl-same").Digest()}, {ID: "fl-changed", Digest: flowLog("fl-other").Digest()},
		{ID: "fl-gone"}, {ID: "fl-elsewhere", Digest: elsewhere.Digest()}}
	for name, c := range map[string]struct {
		list    []inventory.Listed
		changed []int
		seen    string
	}{
		"empty":                 {nil, nil, ""},
		"nothing changed":       {list[1:2], nil, "fl-same"},
		"all":                   {list, []int{0, 2, 4}, "fl-same fl-changed fl-gone"},
		"the digest of another": {[]inventory.Listed{{ID: "fl-same", Digest: list[2].Digest}, {ID: "fl-changed", Digest: list[1].Digest}}, []int{0, 1}, "fl-same fl-changed"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			l := &inventory.Listing{Scope: scope}
			changed, err := s.Compare(t.Context(), l, c.list)
			if err != nil || !slices.Equal(changed, c.changed) {
				t.Errorf("changed %v, want %v, %v", changed, c.changed, err)
			}
			for _, id := range []string{"fl-same", "fl-changed", "fl-gone", "fl-unlisted", "fl-elsewhere"} {
				if want := slices.Contains(strings.Fields(c.seen), id); l.Seen.Has(s.num(t, id)) != want {
					t.Errorf("%s seen: %t", id, !want)
				}
			}
		})
	}
}

func TestUnseen(t *testing.T) {
	t.Parallel()
	s := fresh(t)
	s.learnAt(t, noon.Add(24*time.Hour), flowLog("fl-ahead")) // the clock has gone back since
	for n := range 10 {
		s.learnAt(t, noon.Add(time.Duration(n-9)*time.Minute), flowLog(fmt.Sprintf("fl-%d", n)))
	}
	l := &inventory.Listing{Scope: scope, Before: noon.Add(-2 * time.Minute)}
	if _, err := s.Compare(t.Context(), l, []inventory.Listed{{ID: "fl-1"}, {ID: "fl-3"}, {ID: "fl-9"}, {ID: "fl-none"}}); err != nil {
		t.Fatal(err)
	}
	var ids []string
	after := ""
	for {
		rows, last, err := s.Unseen(t.Context(), l, after, 2)
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
	if got := strings.Join(ids, " "); got != "fl-0 fl-2 fl-4 fl-5 fl-6 fl-ahead" {
		t.Errorf("unseen and old enough: %s", got)
	}
}

// TestUnseenBehindWhatIsGone: before the first row that Unseen should return, there are more gone rows than its limit.
// It must pass them, and must not return rows of other scopes.
func TestUnseenBehindWhatIsGone(t *testing.T) {
	t.Parallel()
	s := fresh(t)
	elsewhere := flowLog("fl-0")
	elsewhere.Scope.Region = "us-east-1"
	err := s.Update(t.Context(), func(tx *Tx) error {
		for n := range 7 {
			row := inventory.Row{FlowLog: flowLog(fmt.Sprintf("fl-%d", n)), State: inventory.Gone, WrittenAt: noon, GoneAt: noon}
			if err := tx.PutFlowLog(row); err != nil {
				return err
			}
		}
		if err := tx.PutFlowLog(inventory.Row{FlowLog: elsewhere, State: inventory.Live, WrittenAt: noon}); err != nil {
			return err
		}
		return tx.PutFlowLog(inventory.Row{FlowLog: flowLog("fl-8"), State: inventory.Live, WrittenAt: noon})
	})
	if err != nil {
		t.Fatal(err)
	}
	l := &inventory.Listing{Scope: scope, Before: noon.Add(time.Second)}
	rows, last, err := s.Unseen(t.Context(), l, "", 2)
	if err != nil || len(rows) != 1 || rows[0].ID != "fl-8" || last != "fl-8" {
		t.Errorf("%v up to %q, %v", rows, last, err)
	}
	if rows, _, err = s.Unseen(t.Context(), l, last, 2); err != nil || len(rows) > 0 {
		t.Errorf("%v, %v", rows, err)
	}
}
