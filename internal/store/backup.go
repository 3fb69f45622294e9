package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"os"
	"path/filepath"
)

// ID identifies the state file; its copies have the same ID.
func (s *Store) ID(ctx context.Context) (string, error) { return s.Fact(ctx, factID) }

const factID = "id"

// Changes counts what was written to the snapshot and the incidents: it only
// grows while the store is open.
func (f *file) Changes() int64 { return f.changes.Load() }

// CopyTo writes a consistent copy of the state file; writers go on meanwhile.
func (f *file) CopyTo(ctx context.Context, path string) error {
	db, err := sql.Open("sqlite", dsn(f.path, ""))
	if err != nil {
		return err
	}
	defer db.Close()
	if _, err := db.ExecContext(ctx, `VACUUM INTO ?`, path); err != nil {
		return fmt.Errorf("copy %s: %w", f.path, errors.Join(err, os.RemoveAll(path)))
	}
	return os.Chmod(path, 0o600)
}

// Discard removes a copy, with the files that SQLite and an upgrade keep next to it: a
// process that died may have left any of these.
func Discard(copied string) error {
	errs := []error{os.RemoveAll(copied), discardBeside(copied)}
	old, err := filepath.Glob(copied + ".schema-*")
	for _, path := range old {
		errs = append(errs, os.RemoveAll(path))
	}
	return errors.Join(append(errs, err)...)
}

// discardBeside removes the journals of an earlier file of this name: SQLite would take them
// for those of the new file.
func discardBeside(path string) error {
	var errs []error
	for _, end := range []string{"-wal", "-shm", "-journal"} {
		errs = append(errs, os.RemoveAll(path+end))
	}
	return errors.Join(errs...)
}
