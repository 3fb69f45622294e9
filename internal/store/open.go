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

	"modernc.org/sqlite"
)

// readers is how many connections read at once. Each is opened when it is needed, and kept
// while it is used: a new one must read the schema and prepare its statements again.
const readers = 8

// How much of the file a connection caches, in KB. A connection that reads caches the rows of a scope; the one that
// writes also the upper pages of the indexes, which it changes at random places. The kernel caches the rest.
const (
	readCache  = 1000
	writeCache = 4000
)

// claim checks that the file may be used. For a command it must exist. A daemon makes it if
// it is missing, and locks out other daemons.
func (f *file) claim() error {
	if !f.daemon {
		if _, err := os.Stat(f.path); errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("%w at %s: `flowkeeper run` makes it; --state or state.path names another", ErrMissing, f.path)
		} else if err != nil {
			return fmt.Errorf("open the state file: %w", err)
		}
		return nil
	}
	if err := os.MkdirAll(filepath.Dir(f.path), 0o700); err != nil {
		return fmt.Errorf("make the folder of state.path: %w", err)
	}
	var err error
	if f.lock, err = lockFile(f.path + ".lock"); err != nil {
		return err
	}
	made, err := os.OpenFile(f.path, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return fmt.Errorf("open the state file: %w", err)
	}
	for _, end := range []string{"", "-wal", "-shm"} {
		if info, err := os.Stat(f.path + end); err == nil && info.Mode().Perm()&0o077 != 0 {
			_ = os.Chmod(f.path+end, 0o600) // another user's file: the doctor reports it
		}
	}
	return made.Close()
}

// connect opens the connections. The file may grow to most bytes; 0: without limit.
func (f *file) connect(ctx context.Context, most int64) (err error) {
	options := fmt.Sprintf("&_pragma=synchronous(full)&_pragma=journal_size_limit(%d)&_pragma=cache_size(-%d)", maxLog, writeCache)
	if f.daemon { // a command that set the mode while the daemon makes the file would lock out the daemon, or itself
		options += "&_pragma=journal_mode(wal)"
	}
	if f.w, err = openDB(dsn(f.path, options)); err != nil {
		return err
	}
	f.w.SetMaxOpenConns(1)
	if most > 0 {
		if err := limit(ctx, f.w, f.path, most); err != nil {
			return err
		}
	}
	if f.daemon {
		err = f.prepare(ctx)
	} else {
		err = current(ctx, f.w, f.path)
	}
	if err != nil {
		return err
	}
	if f.r, err = openDB(dsn(f.path, fmt.Sprintf("&_pragma=query_only(1)&_pragma=cache_size(-%d)", readCache))); err != nil {
		return err
	}
	f.r.SetMaxOpenConns(readers)
	f.r.SetMaxIdleConns(readers)
	f.r.SetConnMaxIdleTime(time.Minute)
	return nil
}

// Close releases the file.
func (f *file) Close() error {
	var errs []error
	for _, db := range []*sql.DB{f.r, f.w} {
		if db != nil {
			errs = append(errs, db.Close())
		}
	}
	if f.lock != nil {
		errs = append(errs, f.lock.Close())
	}
	return errors.Join(errs...)
}

// limit keeps a file from growing beyond most bytes.
func limit(ctx context.Context, db *sql.DB, path string, most int64) error {
	var page int64
	if err := db.QueryRowContext(ctx, `PRAGMA page_size`).Scan(&page); err != nil {
		return damaged(path, err)
	}
	_, err := db.ExecContext(ctx, fmt.Sprintf(`PRAGMA max_page_count = %d`, max(1, most/page)))
	return err
}

// prepare makes the file ready for the daemon: it upgrades the schema, checks the file, gives
// it an ID, and remembers which file is open.
func (f *file) prepare(ctx context.Context) error {
	if err := migrate(ctx, f.w, f.path, migrations); err != nil {
		return err
	}
	var sound string
	if err := f.w.QueryRowContext(ctx, `PRAGMA quick_check(1)`).Scan(&sound); err != nil {
		return damaged(f.path, err)
	} else if sound != "ok" {
		return damaged(f.path, errors.New(strings.Join(strings.Fields(sound), " ")))
	}
	if _, err := f.w.ExecContext(ctx, `INSERT OR IGNORE INTO facts (name, value) VALUES (?, lower(hex(randomblob(8))))`, factID); err != nil {
		return fmt.Errorf("write %s: %w", f.path, err)
	}
	err := f.transact(ctx, func(t *Tx) error {
		held, err := t.droppable.sum()
		if err != nil {
			return err
		}
		f.held.Store(held)
		return t.dependencies.fill()
	})
	if err != nil {
		return err
	}
	return f.remember()
}

// dsn names a file that must exist (mode=rw). A connection may be opened at any time: if it made
// a missing file, an empty one would replace a state file that somebody has deleted, and Rescue
// would leave the empty one there.
func dsn(path, more string) string {
	return "file:" + (&url.URL{Path: path}).EscapedPath() + "?mode=rw&_pragma=busy_timeout(10000)&_pragma=foreign_keys(1)" + more
}

// current refuses a file whose schema is not today's: a command does not
// migrate under a daemon.
func current(ctx context.Context, db *sql.DB, path string) error {
	version, err := versionOf(ctx, db, path)
	if err != nil {
		return err
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
	return nil // a file that is not a database at all is reported at its first use
}

// inUse is the error of a file that could not be opened because another process has locked it. It returns any other err
// unchanged.
func inUse(path string, err error) error {
	if code := (*sqlite.Error)(nil); errors.As(err, &code) && code.Code()&0xff == busy {
		return fmt.Errorf("%s is in use by another process (%w): try again once that has ended", path, code)
	}
	return err
}

// damaged is an error about a file that SQLite can't make sense of.
func damaged(path string, err error) error {
	return fmt.Errorf("%s can't be read as a state file (%w): move it away, and %s-wal with it; then put a copy in its place, or let `flowkeeper run` learn the snapshot anew", path, err, path)
}

// lockFile holds an exclusive lock for as long as the file is open. The system also releases
// it when the process is killed.
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
