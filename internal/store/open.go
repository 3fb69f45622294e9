package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

// claim sees that the file may be used: it exists, or a daemon may make it,
// and no other daemon has it.
func (s *Store) claim(daemon bool) error {
	if !daemon {
		if _, err := os.Stat(s.path); errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("%w at %s: `flowkeeper run` makes it; --state or state.path names another", ErrMissing, s.path)
		} else if err != nil {
			return fmt.Errorf("open the state file: %w", err)
		}
		return nil
	}
	if err := os.MkdirAll(filepath.Dir(s.path), 0o700); err != nil {
		return fmt.Errorf("make the folder of state.path: %w", err)
	}
	lock, err := lockFile(s.path + ".lock")
	if err != nil {
		return err
	}
	s.lock = lock
	f, err := os.OpenFile(s.path, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return errors.Join(fmt.Errorf("open the state file: %w", err), s.Close())
	}
	for _, end := range []string{"", "-wal", "-shm"} {
		if info, err := os.Stat(s.path + end); err == nil && info.Mode().Perm()&0o077 != 0 {
			_ = os.Chmod(s.path+end, 0o600) // not ours: then the doctor tells
		}
	}
	return f.Close()
}

func (s *Store) open(ctx context.Context, o Options) (err error) {
	if s.w, err = openDB(dsn(s.path, "&_txlock=immediate&_pragma=journal_mode(wal)&_pragma=synchronous(full)"+fmt.Sprintf("&_pragma=journal_size_limit(%d)", maxLog))); err != nil {
		return err
	}
	s.w.SetMaxOpenConns(1)
	if o.MaxBytes > 0 {
		if err := s.limit(ctx, o.MaxBytes); err != nil {
			return err
		}
	}
	if o.Daemon {
		if err := s.take(ctx); err != nil {
			return err
		}
	} else if err := current(ctx, s.w, s.path); err != nil {
		return err
	}
	if s.r, err = openDB(dsn(s.path, "&_pragma=query_only(1)")); err != nil {
		return err
	}
	s.r.SetMaxOpenConns(readers)
	s.r.SetMaxIdleConns(readers)
	s.r.SetConnMaxIdleTime(time.Minute)
	return nil
}

// limit keeps the file from growing beyond so many bytes.
func (s *Store) limit(ctx context.Context, most int64) error {
	var page int64
	if err := s.w.QueryRowContext(ctx, `PRAGMA page_size`).Scan(&page); err != nil {
		return damaged(s.path, err)
	}
	_, err := s.w.ExecContext(ctx, fmt.Sprintf(`PRAGMA max_page_count = %d`, max(1, most/page)))
	return err
}

// take makes the file the daemon's: sound, of today's schema, and known again.
func (s *Store) take(ctx context.Context) error {
	if err := migrate(ctx, s.w, s.path); err != nil {
		return err
	}
	var sound string
	if err := s.w.QueryRowContext(ctx, `PRAGMA quick_check(1)`).Scan(&sound); err != nil {
		return damaged(s.path, err)
	} else if sound != "ok" {
		return damaged(s.path, errors.New(strings.Join(strings.Fields(sound), " ")))
	}
	if _, err := s.w.ExecContext(ctx, `INSERT OR IGNORE INTO facts (name, value) VALUES (?, lower(hex(randomblob(8))))`, factID); err != nil {
		return fmt.Errorf("write %s: %w", s.path, err)
	}
	if err := s.fillDepends(ctx); err != nil {
		return err
	}
	if err := s.measure(ctx); err != nil {
		return err
	}
	return s.remember()
}

func dsn(path, more string) string {
	return "file:" + (&url.URL{Path: path}).EscapedPath() + "?_pragma=busy_timeout(10000)&_pragma=foreign_keys(1)&_pragma=cache_size(-4000)" + more
}

// current refuses a file whose schema is not today's: a command does not
// migrate under a daemon.
func current(ctx context.Context, db *sql.DB, path string) error {
	var version int
	if err := db.QueryRowContext(ctx, `PRAGMA user_version`).Scan(&version); err != nil {
		return damaged(path, err)
	}
	switch version {
	case len(migrations):
		return nil
	case 0:
		return fmt.Errorf("%s is empty: `flowkeeper run` fills it", path)
	default:
		return fmt.Errorf("%s has schema %d, this Flowkeeper works with %d: use the version that the daemon runs, or restart the daemon with this one", path, version, len(migrations))
	}
}

// foreign refuses a file that is another program's database, before anything is
// changed in it.
func foreign(ctx context.Context, path string) error {
	if info, err := os.Stat(path); err != nil || info.Size() == 0 {
		return nil
	}
	db, err := sql.Open("sqlite", dsn(path, "&_pragma=query_only(1)"))
	if err != nil {
		return err
	}
	defer db.Close()
	var tables, ours int
	err = db.QueryRowContext(ctx, `SELECT count(*), coalesce(sum(name = 'flow_logs'), 0) FROM sqlite_schema WHERE type = 'table'`).Scan(&tables, &ours)
	if err == nil && tables > 0 && ours == 0 {
		return fmt.Errorf("%s is another program's database: set state.path to a file of Flowkeeper's own", path)
	}
	return nil // what is no database at all is told by who uses it
}

// damaged is an error about a file that SQLite can't make sense of.
func damaged(path string, err error) error {
	return fmt.Errorf("%s can't be read as a state file (%w): move it away, and %s-wal with it; then put a copy in its place, or let `flowkeeper run` learn the snapshot anew", path, err, path)
}

// lockFile holds an exclusive lock for as long as the file is open: the
// system lets go of it even when the process is killed.
func lockFile(path string) (*os.File, error) {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, fmt.Errorf("lock the state file: %w", err)
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		f.Close()
		return nil, fmt.Errorf("another Flowkeeper runs on this state file (%s is locked): stop it, or give each daemon its own state.path", path)
	}
	return f, nil
}
