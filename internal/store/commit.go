package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"runtime/debug"
	"slices"
	"syscall"
	"time"

	"modernc.org/sqlite"
)

// change is one caller's part of a group commit.
type change struct {
	fn    func(*Tx) error
	waits bool // for another one to share a commit with; Store.mu guards it
	err   error
	done  chan struct{} // closed once it is on disk, or has failed
	lead  chan struct{} // closed once its caller is to commit, for all in the queue
}

func (s *Store) write(ctx context.Context, fn func(*Tx) error) error {
	return s.writeWithin(ctx, 0, fn)
}

// writeWithin is write that waits, for delay at most, for another change to share a
// commit with.
func (s *Store) writeWithin(ctx context.Context, delay time.Duration, fn func(*Tx) error) error {
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
		switch c.err = c.run(whole(own)); {
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
func (c *change) run(t *Tx) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("panic in a change of the state file: %v\n%s", p, debug.Stack())
		}
	}()
	return c.fn(t)
}

func (s *Store) read(ctx context.Context, fn func(*Tx) error) error {
	t, err := s.r.BeginTx(ctx, &sql.TxOptions{ReadOnly: true})
	if err != nil {
		return fmt.Errorf("begin to read %s: %w", s.path, err)
	}
	defer t.Rollback()
	err = fn(whole(&tx{ctx: ctx, q: t, s: s}))
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

// transact runs fn in a transaction of its own, beside group commit: for whoever
// commits already.
func (s *Store) transact(ctx context.Context, fn func(*Tx) error) error {
	q, err := s.w.BeginTx(ctx, nil)
	if err != nil {
		return fmt.Errorf("begin to write %s: %w", s.path, err)
	}
	defer q.Rollback()
	t := &tx{ctx: ctx, q: q, s: s}
	if err := fn(whole(t)); err != nil {
		return err
	}
	if err := q.Commit(); err != nil {
		return fmt.Errorf("commit to %s: %w", s.path, err)
	}
	t.countDropped()
	return nil
}
