package store

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
)

// ErrTaken is wrapped by the errors of Intact: the file that the daemon works
// on is no longer where it was.
var ErrTaken = errors.New("the state file was taken away")

// Intact checks that the open file is still the one at its path, and its write-ahead log
// too. If somebody has deleted or replaced it, what is written to the open file is lost when
// the process ends.
func (f *file) Intact() error {
	for _, was := range f.opened {
		now, err := os.Stat(was.path)
		switch {
		case errors.Is(err, fs.ErrNotExist):
			return fmt.Errorf("%w: %s is not there any more", ErrTaken, was.path)
		case err != nil:
			return fmt.Errorf("see whether the state file is still there: %w", err)
		case !os.SameFile(now, was.info):
			return fmt.Errorf("%w: %s is another file now", ErrTaken, was.path)
		}
	}
	return nil
}

// identity is the path of an open file, and what os.Stat said of it when it was opened.
type identity struct {
	path string
	info os.FileInfo
}

// remember notes the identities of the files that were opened.
func (f *file) remember() error {
	for _, path := range []string{f.path, f.path + "-wal"} {
		info, err := os.Stat(path)
		if err != nil {
			return fmt.Errorf("open the state file: %w", err)
		}
		f.opened = append(f.opened, identity{path, info})
	}
	return nil
}

// Rescue writes the open database back to its path, after Intact has failed: a deleted file
// exists for as long as it is open. If another file is at the path, Rescue leaves that
// there. From then on every write fails: the store must be closed, and opened again.
func (f *file) Rescue(ctx context.Context) error {
	f.taken.Store(true)
	if now, err := os.Stat(f.path); err == nil {
		if os.SameFile(now, f.opened[0].info) { // only the log is gone: copy all of it into the file
			_, err = f.w.ExecContext(ctx, `PRAGMA wal_checkpoint(TRUNCATE)`)
		}
		return err
	}
	if _, err := f.w.ExecContext(ctx, `VACUUM INTO ?`, f.path); err != nil {
		return fmt.Errorf("write the state file again: %w", err)
	}
	return os.Chmod(f.path, 0o600)
}

// Version changes whenever another process has written the file.
func (f *file) Version(ctx context.Context) (v int64, err error) {
	err = f.w.QueryRowContext(ctx, `PRAGMA data_version`).Scan(&v)
	return v, err
}
