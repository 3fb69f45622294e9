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

// Intact reports whether the file that is open is still the one at its path,
// with its write-ahead log. Somebody may have deleted or replaced it: what is
// written from then on would be lost with the process.
func (s *Store) Intact() error {
	for _, f := range s.files {
		now, err := os.Stat(f.path)
		switch {
		case errors.Is(err, fs.ErrNotExist):
			return fmt.Errorf("%w: %s is not there any more", ErrTaken, f.path)
		case err != nil:
			return fmt.Errorf("see whether the state file is still there: %w", err)
		case !os.SameFile(now, f.info):
			return fmt.Errorf("%w: %s is another file now", ErrTaken, f.path)
		}
	}
	return nil
}

// file is one that is open, as it was then.
type file struct {
	path string
	info os.FileInfo
}

// remember notes which files are open.
func (s *Store) remember() error {
	for _, path := range []string{s.path, s.path + "-wal"} {
		info, err := os.Stat(path)
		if err != nil {
			return fmt.Errorf("open the state file: %w", err)
		}
		s.files = append(s.files, file{path, info})
	}
	return nil
}

// Rescue writes what is open back to where the file was, after Intact has
// failed: a deleted file lives on while it is open. A file that has taken its
// place stays. Nothing can be written from then on: the store must be closed,
// and opened anew.
func (s *Store) Rescue(ctx context.Context) error {
	s.taken.Store(true)
	if now, err := os.Stat(s.path); err == nil {
		if os.SameFile(now, s.files[0].info) { // only the log is gone: bring all of it into the file
			_, err = s.w.ExecContext(ctx, `PRAGMA wal_checkpoint(TRUNCATE)`)
		}
		return err
	}
	if _, err := s.w.ExecContext(ctx, `VACUUM INTO ?`, s.path); err != nil {
		return fmt.Errorf("write the state file again: %w", err)
	}
	return os.Chmod(s.path, 0o600)
}
