package store

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"flowkeeper/inventory"
)

func put(id string) func(*Tx) error {
	return func(tx *Tx) error {
		return tx.PutFlowLog(inventory.Row{FlowLog: flowLog(id), RootID: id, State: inventory.Live})
	}
}

// TestTheFileIsTakenAway: if an attacker deletes the state file, or its write-ahead log,
// nothing of it is lost, and Update fails after that.
func TestTheFileIsTakenAway(t *testing.T) {
	t.Parallel()
	for name, suffixes := range map[string][]string{"all of it": {"", "-wal", "-shm"}, "the file": {""}, "the log": {"-wal"}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			path := filepath.Join(t.TempDir(), "state.db")
			s := open(t, path)
			s.put(t, put("fl-1"))
			if err := s.Intact(); err != nil {
				t.Fatal(err)
			}
			for _, suffix := range suffixes {
				if err := os.Remove(path + suffix); err != nil {
					t.Fatal(err)
				}
			}
			s.put(t, put("fl-2")) // before Intact has failed
			s.r.SetMaxIdleConns(0)
			_, _ = s.Scopes(t.Context()) // by a new connection, which must not make a file
			if err := s.Intact(); !errors.Is(err, ErrTaken) || !strings.Contains(err.Error(), path) {
				t.Fatalf("not noticed: %v", err)
			}
			if err := s.Rescue(t.Context()); err != nil {
				t.Fatal(err)
			}
			if err := s.Update(t.Context(), put("fl-3")); !errors.Is(err, ErrTaken) {
				t.Errorf("after the rescue: %v", err)
			}
			if err := s.Close(); err != nil {
				t.Fatal(err)
			}
			s = open(t, path)
			s.row(t, "fl-1")
			s.row(t, "fl-2")
			if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
				t.Errorf("%v, %v", info.Mode(), err)
			}
		})
	}
}

// TestTheFileIsReplaced: a copy that somebody puts back stays as it is.
func TestTheFileIsReplaced(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "state.db")
	s := open(t, path)
	s.put(t, put("fl-1"))
	if err := errors.Join(os.Remove(path), os.WriteFile(path, []byte("a copy"), 0o600)); err != nil {
		t.Fatal(err)
	}
	if err := s.Intact(); !errors.Is(err, ErrTaken) {
		t.Fatalf("not noticed: %v", err)
	}
	if err := s.Rescue(t.Context()); err != nil {
		t.Fatal(err)
	}
	if b, err := os.ReadFile(path); err != nil || string(b) != "a copy" {
		t.Errorf("%q, %v", b, err)
	}
}

// TestAFullDisk: the change that has no room fails, nothing of it is there, and
// all goes on once there is room.
func TestAFullDisk(t *testing.T) {
	t.Parallel()
	s := fresh(t)
	s.put(t, put("fl-1"))
	limit := func(pages int) {
		t.Helper()
		exec(t, s.w, fmt.Sprintf(`PRAGMA max_page_count = %d`, pages))
	}
	limit(1) // SQLite takes what there is for the least
	many := func(tx *Tx) error {
		for n := range 1000 {
			if err := put(fmt.Sprintf("fl-many-%d", n))(tx); err != nil {
				return err
			}
		}
		return nil
	}
	if err := s.Update(t.Context(), many); err == nil || !strings.Contains(err.Error(), "full") || !strings.Contains(err.Error(), s.path) || !Unwritable(fmt.Errorf("record: %w", err)) {
		t.Errorf("with no room: %v", err)
	}
	s.row(t, "fl-1")
	if _, there, _ := s.FindFlowLog(t.Context(), "fl-many-0"); there {
		t.Error("a part of the change is there")
	}
	limit(1 << 20)
	s.put(t, many)
}

// TestACorruptPage: a daemon does not begin on a damaged file.
func TestACorruptPage(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "state.db")
	s := open(t, path)
	s.put(t, func(tx *Tx) error {
		for n := range 1000 {
			if err := put(fmt.Sprintf("fl-%d", n))(tx); err != nil {
				return err
			}
		}
		return nil
	})
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	info, err := f.Stat()
	if err != nil {
		t.Fatal(err)
	}
	for at := int64(4096 * 100); at < info.Size(); at += 3 * 4096 { // beyond the pages of the schema
		if _, err := f.WriteAt([]byte(strings.Repeat("rot", 500)), at); err != nil {
			t.Fatal(err)
		}
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	command := openAs(t, path, Options{})
	if err := command.FlowLogs(t.Context(), func(inventory.Row) error { return nil }); err == nil || strings.Count(err.Error(), "can't be read as a state file") != 1 {
		t.Errorf("a command: %v", err)
	}
	command.Close()
	s, err = Open(t.Context(), path, Options{Daemon: true})
	if err == nil {
		s.Close()
	}
	if err != nil && strings.Contains(err.Error(), "\n") {
		t.Errorf("more than one line: %v", err)
	}
	if err == nil || !strings.Contains(err.Error(), "can't be read as a state file") || !strings.Contains(err.Error(), path) {
		t.Errorf("opened: %v", err)
	}
}

// TestAnErrorSaysWhatWasReadOrWritten: the table, what names the row, the file and the
// cause, each once.
func TestAnErrorSaysWhatWasReadOrWritten(t *testing.T) {
	t.Parallel()
	s := fresh(t)
	s.put(t, put("fl-1"))
	exec(t, s.w, `UPDATE flow_logs SET body = '{'`)
	_, _, err := s.FindFlowLog(t.Context(), "fl-1")
	if want := "read flow_logs fl-1 in " + s.path + ": unexpected end of JSON input"; err == nil || err.Error() != want {
		t.Errorf("%v\nwant %s", err, want)
	}
	exec(t, s.w, `CREATE TRIGGER refuse BEFORE INSERT ON facts BEGIN SELECT raise(ABORT, 'refused'); END`)
	err = s.SetFact(t.Context(), "name\x1b[31m", strings.Repeat("x", 1000))
	if begins := `write facts name\x1b[31m in ` + s.path + ": "; err == nil || !strings.HasPrefix(err.Error(), begins) || !strings.Contains(err.Error(), "refused") || len(err.Error()) > 300 {
		t.Errorf("%v\nwant %s", err, begins)
	}
}
