package store

import (
	"context"
	"database/sql"
	"errors"
	"os"
	"sync/atomic"
	"time"

	"flowkeeper/alert"
)

// Options of Open.
type Options struct {
	// Daemon: create the file if it is not there, and be the only daemon on
	// it. Commands leave both to the daemon.
	Daemon bool
	// Routes names the sinks that an alert goes to; nil: it goes to none.
	Routes Routes
	// Names are the names of accounts, by their numbers, as alerts and lists show them.
	Names map[string]string
	Now   func() time.Time
	// Free is how many bytes are free on the disk of the file; nil: the file
	// system is asked.
	Free func() (int64, error)
	// MaxBytes is how large the file may become; 0: as large as SQLite and the disk
	// allow.
	MaxBytes int64
	// CommitDelay is how long the change that notes that a sink has taken an alert
	// may wait to share another commit, while no other alert waits for that sink; 0:
	// not at all. A daemon that is killed meanwhile sends that alert again.
	CommitDelay time.Duration
}

// Routes names the sinks that an alert goes to: see sink.Routes. It is called within
// transactions, by one goroutine at a time, which may change the list that it returns.
type Routes interface {
	For(a alert.Alert) []string
}

// Store is an open state file. It is safe for concurrent use. Each of its parts is for
// one kind of caller.
type Store struct {
	*file
	counts
	lists
	outbox
	snapshot
}

// file is the state file, as long as it is open: one connection writes, several read.
type file struct {
	path   string
	w, r   *sql.DB
	lock   *os.File    // of a daemon only, as the next two
	opened []identity  // the files that were opened
	taken  atomic.Bool // set by Rescue, read by each commit, which then fails

	routes   Routes
	accounts map[string]string // Options.Names
	now      func() time.Time
	delay    time.Duration // Options.CommitDelay
	changes  atomic.Int64
	daemon   bool // Options.Daemon: only a daemon keeps the file within its bounds

	queue
	space
	outlets outlets
}

// sinksOf names the sinks that an alert goes to.
func (f *file) sinksOf(a alert.Alert) []string {
	if f.routes == nil {
		return nil
	}
	return f.routes.For(a)
}

// ErrMissing is returned by Open for a command when there is no state file.
var ErrMissing = errors.New("no state file")

// Open opens the state file.
func Open(ctx context.Context, path string, o Options) (*Store, error) {
	f := &file{path: path, routes: o.Routes, accounts: o.Names, now: o.Now, delay: o.CommitDelay, daemon: o.Daemon, space: space{free: o.Free}}
	if f.free == nil {
		f.free = func() (int64, error) { return freeOn(path) }
	}
	if f.now == nil {
		f.now = time.Now
	}
	if err := foreign(ctx, path); err != nil {
		return nil, err
	}
	err := f.claim()
	if err == nil {
		err = inUse(path, f.connect(ctx, o.MaxBytes))
	}
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return &Store{f, counts{f}, lists{f}, outbox{f}, snapshot{f}}, nil
}
