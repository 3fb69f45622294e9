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

// put returns a change that stores a live row of a flow log.
func put(id string) func(*Tx) error {
	return func(tx *Tx) error {
		return tx.PutFlowLog(inventory.Row{FlowLog: flowLog(id), RootID: id, State: inventory.Live})
	}
}

// TestTheFileIsTakenAway: an attacker deletes the state file or its write-ahead log while the daemon runs. Intact
// notices that, and Rescue writes the file again with all that was committed. Update fails from then on.
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
			s.put(t, put("fl-2")) // before Intact has noticed
			s.r.SetMaxIdleConns(0)
			_, _ = s.Scopes(t.Context()) // this opens a new connection, which must not create a file
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

// TestTheFileIsReplaced: somebody puts another file in the place of the state file while the daemon runs. Rescue must
// not overwrite it.
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

// TestAFullDisk: a change for which the disk has no room fails, and no part of it is stored. Once there is room, it
// succeeds.
func TestAFullDisk(t *testing.T) {
	t.Parallel()
	s := fresh(t)
	s.put(t, put("fl-1"))
	limit := func(pages int) {
		t.Helper()
		exec(t, s.w, fmt.Sprintf(`PRAGMA max_page_count = %d`, pages))
	}
	limit(1) // SQLite raises this to the pages that the file already has
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

// TestACorruptPage: a daemon does not start with a damaged file, and the error says so in one line.
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
		t.Errorf("a daemon opens a damaged file: %v", err)
	}
}

// TestAnErrorSaysWhatWasReadOrWritten: an error names the table, the key of the row, the file and the cause, each once.
// It is short, and text from outside is escaped in it.
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
