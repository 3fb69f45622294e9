package store

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"flowkeeper/inventory"
)

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
			t.Errorf("new files next to another program's database: %v; its mode: %v, want 0640; %v", left, info, err)
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
		"missing, for a command":           {filepath.Join(dir, "none.db"), false, "flowkeeper run"},
		"newer":                            {newer, true, "newer Flowkeeper"},
		"newer, for a command":             {newer, false, "schema 99"},
		"garbage":                          {garbage, true, "can't be read as a state file"},
		"another program's":                {others, true, "another program's database"},
		"another program's, for a command": {others, false, "another program's database"},
		"empty, for a command":             {empty, false, "`flowkeeper run` fills it"},
		"a second daemon":                  {running, true, "another Flowkeeper"},
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

// TestACommandLocksTheDaemonOutOfNothing: a command does not set the journal mode of the file; only the daemon does. If
// both set it at once while the daemon makes the file, they would lock each other out. And an error says that a locked
// file is in use, not that it is damaged.
func TestACommandLocksTheDaemonOutOfNothing(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "state.db")
	s := open(t, path)
	s.put(t, put("fl-1"))
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	exec(t, raw(t, path), `PRAGMA journal_mode = delete`)
	wantMode := func(want string) {
		t.Helper()
		var mode string
		if err := raw(t, path).QueryRow(`PRAGMA journal_mode`).Scan(&mode); err != nil || mode != want {
			t.Errorf("journal mode %q, %v, want %q", mode, err, want)
		}
	}
	command, err := Open(t.Context(), path, Options{})
	if err != nil {
		t.Fatal(err)
	}
	command.put(t, put("fl-2"))
	if err := command.Close(); err != nil {
		t.Fatal(err)
	}
	wantMode("delete")
	open(t, path)
	wantMode("wal")
	exec(t, raw(t, path), `BEGIN IMMEDIATE`)
	_, err = raw(t, path).Exec(`PRAGMA busy_timeout = 0; BEGIN IMMEDIATE`)
	if said := inUse(path, damaged(path, err)).Error(); !strings.Contains(said, "in use by another process") || strings.Contains(said, "move it away") {
		t.Error(said)
	}
}

// TestTheFileIsTheDaemonsAlone: the daemon makes the state file and the files next to it readable for its own user
// only, also if others could read them before.
func TestTheFileIsTheDaemonsAlone(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "state.db")
	s := open(t, path)
	s.put(t, put("fl-1"))
	copied := filepath.Join(t.TempDir(), "state.db")
	for _, end := range []string{"", "-wal"} { // as an operator does who restores the file from a copy
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

// TestCommandsWhileTheDaemonRuns: a command can write while the daemon has the file open. The daemon notices the write
// by Version, and does not mistake its own writes for those of a command.
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
	n, err := c.ChangeRows(t.Context(), func(r *inventory.Row) bool { r.ReleaseReason = "test"; return r.ID == "fl-1" })
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
