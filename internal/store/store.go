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
	"runtime/debug"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"modernc.org/sqlite"

	"flowkeeper/alert"
)

// Options of Open.
type Options struct {
	// Daemon: create the file if it is not there, and be the only daemon on
	// it. Commands leave both to the daemon.
	Daemon bool
	// Route names the sinks that an alert goes to.
	Route func(alert.Alert) []string
	Now   func() time.Time
	// Free is how many bytes are free on the disk of the file; nil: the file
	// system is asked.
	Free func() (int64, error)
	// MaxBytes is how large the file may become; 0: as large as SQLite and the disk
	// allow.
	MaxBytes int64
	// CommitDelay is how long the record that a sink has an alert waits for another
	// commit to share, while that sink has nothing else to get; 0: not at all. A
	// daemon that is killed meanwhile sends that alert again.
	CommitDelay time.Duration
}

// Store is an open state file. It is safe for concurrent use.
type Store struct {
	path  string
	w, r  *sql.DB
	lock  *os.File
	files []file // of a daemon
	taken atomic.Bool

	changes atomic.Int64
	route   func(alert.Alert) []string
	now     func() time.Time
	free    func() (int64, error)
	delay   time.Duration // Options.CommitDelay

	daemon               bool         // it keeps the file within its bounds
	held                 atomic.Int64 // bytes of droppable rows, or a little more than that (budget.go)
	dropped, undelivered atomic.Int64

	mu    sync.Mutex // guards queue and busy
	queue []*change
	busy  bool // somebody is committing

	outletsMu sync.Mutex
	outlets   map[string]*outlet // by sink; outletsMu guards them
}

// readers is how many connections read at once. Each is opened when it is needed, and
// kept while it is used: to open one is to read the schema, and to prepare anew.
const readers = 8

// ErrMissing is returned by Open for a command when there is no state file.
var ErrMissing = errors.New("no state file")

// Open opens the state file.
func Open(ctx context.Context, path string, o Options) (*Store, error) {
	s := &Store{path: path, route: o.Route, now: o.Now, free: o.Free, delay: o.CommitDelay, daemon: o.Daemon, outlets: map[string]*outlet{}}
	if s.free == nil {
		s.free = func() (int64, error) { return freeOn(path) }
	}
	if s.now == nil {
		s.now = time.Now
	}
	if s.route == nil {
		s.route = func(alert.Alert) []string { return nil }
	}
	if err := foreign(ctx, path); err != nil {
		return nil, err
	}
	if err := s.claim(o.Daemon); err != nil {
		return nil, err
	}
	if err := s.open(ctx, o); err != nil {
		return nil, errors.Join(err, s.Close())
	}
	return s, nil
}

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

// Close releases the file.
func (s *Store) Close() error {
	var errs []error
	for _, db := range []*sql.DB{s.r, s.w} {
		if db != nil {
			errs = append(errs, db.Close())
		}
	}
	if s.lock != nil {
		errs = append(errs, s.lock.Close())
	}
	return errors.Join(errs...)
}

// change is one caller's part of a group commit.
type change struct {
	fn    func(*tx) error
	waits bool // for another one to share a commit with; Store.mu guards it
	err   error
	done  chan struct{} // closed once it is on disk, or has failed
	lead  chan struct{} // closed once its caller is to commit, for all in the queue
}

// Update runs fn in a transaction and returns once it is on disk. Callers that
// come together share one commit; each one's failure is its own. Whoever comes first
// commits for those who wait, once, and hands that over to the first of those who
// have come meanwhile.
func (s *Store) Update(ctx context.Context, fn func(*Tx) error) error {
	return s.write(ctx, fn)
}

func (s *Store) write(ctx context.Context, fn func(*tx) error) error {
	return s.writeWithin(ctx, 0, fn)
}

// writeWithin is write that waits, for delay at most, for another change to share a
// commit with.
func (s *Store) writeWithin(ctx context.Context, delay time.Duration, fn func(*tx) error) error {
	c := &change{fn: fn, waits: delay > 0, done: make(chan struct{}), lead: make(chan struct{})}
	s.mu.Lock()
	s.queue = append(s.queue, c)
	s.appoint()
	s.mu.Unlock()
	if delay > 0 {
		t := time.AfterFunc(delay, func() {
			s.mu.Lock()
			defer s.mu.Unlock()
			c.waits = false
			s.appoint()
		})
		defer t.Stop()
	}
	select {
	case <-c.done:
		return c.err
	case <-c.lead:
	}
	s.mu.Lock()
	group := s.queue // its own change is among them
	s.queue = nil
	s.mu.Unlock()
	s.commit(context.WithoutCancel(ctx), group)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.busy = false
	s.appoint()
	return c.err
}

// appoint has the first in the queue commit, unless somebody does, or all of them
// wait. The caller holds mu.
func (s *Store) appoint() {
	if s.busy {
		return
	}
	if n := slices.IndexFunc(s.queue, func(c *change) bool { return !c.waits }); n >= 0 {
		s.busy = true
		close(s.queue[n].lead)
	}
}

// commit runs a group in one transaction. Where the disk is full, what may be dropped
// goes first, as long as there is any; then each change is tried alone: a small one may
// have room where the group has not.
func (s *Store) commit(ctx context.Context, group []*change) {
	err := s.try(ctx, group)
	for s.daemon && outOfRoom(err) && s.makeRoom(ctx) {
		err = s.try(ctx, group)
	}
	alone := s.daemon && outOfRoom(err) && len(group) > 1
	for _, c := range group {
		if alone {
			err = s.try(ctx, []*change{c})
		}
		if c.err == nil {
			c.err = err
		}
		close(c.done)
	}
}

// try runs a group in one transaction. A change that fails is undone to its savepoint,
// or with the transaction where it is alone: SQLite copies each page that changes
// after a savepoint.
func (s *Store) try(ctx context.Context, group []*change) error {
	t, err := s.w.BeginTx(ctx, nil)
	if err != nil {
		return fmt.Errorf("begin to write %s: %w", s.path, err)
	}
	defer t.Rollback()
	if s.taken.Load() { // asked with the connection in hand: a rescue has not begun, or is over
		return fmt.Errorf("write %s: %w", s.path, ErrTaken)
	}
	all := &tx{ctx: ctx, q: t, s: s, bill: &bill{}}
	shared := len(group) > 1
	for _, c := range group {
		c.err = nil
		if shared {
			if err := all.exec(`SAVEPOINT change`); err != nil {
				return err
			}
		}
		own := &tx{ctx: ctx, q: t, s: s, bill: all.bill}
		switch c.err = c.run(own); {
		case outOfRoom(c.err):
			return c.err // SQLite may have ended the transaction
		case c.err == nil:
			all.droppedRows, all.droppedUnsent = all.droppedRows+own.droppedRows, all.droppedUnsent+own.droppedUnsent
			all.delivers = append(all.delivers, own.delivers...)
		case !shared:
			return nil // there is nothing to commit
		default:
			if err := all.exec(`ROLLBACK TO change`); err != nil {
				return err
			}
		}
		if shared {
			if err := all.exec(`RELEASE change`); err != nil {
				return err
			}
		}
	}
	held := s.held.Load()
	if s.daemon && all.bill.rows > 0 {
		if held, err = all.fit(); err != nil {
			return err
		}
	}
	if err := t.Commit(); err != nil {
		return fmt.Errorf("commit to %s: %w", s.path, err)
	}
	s.held.Store(held)
	all.countDropped()
	s.owe(all.delivers)
	return nil
}

// run calls the change. Its panic is its own failure: the others of the group,
// and those that wait for it, go on.
func (c *change) run(t *tx) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("panic in a change of the state file: %v\n%s", p, debug.Stack())
		}
	}()
	return c.fn(t)
}

// View runs fn on one consistent state, reading only.
func (s *Store) View(ctx context.Context, fn func(*Tx) error) error {
	return s.read(ctx, fn)
}

func (s *Store) read(ctx context.Context, fn func(*tx) error) error {
	t, err := s.r.BeginTx(ctx, &sql.TxOptions{ReadOnly: true})
	if err != nil {
		return fmt.Errorf("begin to read %s: %w", s.path, err)
	}
	defer t.Rollback()
	err = fn(&tx{ctx: ctx, q: t, s: s})
	if code := (*sqlite.Error)(nil); errors.As(err, &code) && (code.Code()&0xff == corrupt || code.Code()&0xff == notADatabase) {
		return damaged(s.path, code)
	}
	return err
}

// What SQLite answers where a page, or the whole file, is none of its own; and where
// the file can't be written.
const (
	corrupt, notADatabase         = 11, 26
	readOnly, ioError, full, cant = 8, 10, 13, 14
)

// Unwritable reports whether a commit failed because of the file or its disk, and
// not because of what was to be written.
func Unwritable(err error) bool {
	if code := (*sqlite.Error)(nil); errors.As(err, &code) {
		return slices.Contains([]int{readOnly, ioError, full, cant}, code.Code()&0xff)
	}
	return errors.Is(err, syscall.ENOSPC)
}

// Version changes whenever another process has written the file.
func (s *Store) Version(ctx context.Context) (v int64, err error) {
	err = s.w.QueryRowContext(ctx, `PRAGMA data_version`).Scan(&v)
	return v, err
}
