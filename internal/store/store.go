package store

import (
	"context"
	"database/sql"
	"errors"
	"os"
	"sync"
	"sync/atomic"
	"time"

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

// Version changes whenever another process has written the file.
func (s *Store) Version(ctx context.Context) (v int64, err error) {
	err = s.w.QueryRowContext(ctx, `PRAGMA data_version`).Scan(&v)
	return v, err
}
