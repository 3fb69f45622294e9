package store

import (
	"context"
	"database/sql/driver"
	"errors"
	"fmt"
	"runtime/debug"
	"slices"
	"syscall"
	"time"

	"modernc.org/sqlite"
)

// Update runs fn in a transaction and returns once it is on disk. Callers that
// come together share one commit; each one's failure is its own.
func (f *file) Update(ctx context.Context, fn func(*Tx) error) error {
	return f.updateWithin(ctx, 0, fn)
}

// updateWithin is Update that waits, for delay at most, for another change to share a
// commit with.
func (f *file) updateWithin(ctx context.Context, delay time.Duration, fn func(*Tx) error) error {
	c := &change{fn: fn, done: make(chan struct{}), lead: make(chan struct{})}
	if f.join(c, delay) {
		f.commit(context.WithoutCancel(ctx), f.take()) // its own change is among them
		f.next()
	}
	return c.err
}

// commit runs a group in one transaction. Where the disk is full, what may be dropped
// goes first, as long as there is any; then each change is tried alone: a small one may
// have room where the group has not.
func (f *file) commit(ctx context.Context, group []*change) {
	err := f.try(ctx, group)
	for f.daemon && outOfRoom(err) && f.makeRoom(ctx) {
		err = f.try(ctx, group)
	}
	alone := f.daemon && outOfRoom(err) && len(group) > 1
	for _, c := range group {
		if alone {
			err = f.try(ctx, []*change{c})
		}
		if c.err == nil {
			c.err = err
		}
		close(c.done)
	}
}

// try runs a group in one transaction. If a change fails, all run again, each in a savepoint.
// There are none at first: SQLite copies each page that changes after a savepoint, and changes rarely fail.
func (f *file) try(ctx context.Context, group []*change) error {
	err := f.together(ctx, group, false)
	if failed := func(c *change) bool { return c.err != nil }; len(group) > 1 && slices.ContainsFunc(group, failed) && !outOfRoom(err) {
		err = f.together(ctx, group, true)
	}
	return err
}

// together runs a group in one transaction; savepoints: each one's failure is its own.
func (f *file) together(ctx context.Context, group []*change, savepoints bool) error {
	held := f.held.Load()
	for _, c := range group {
		c.err = nil
	}
	err := f.transact(ctx, func(t *Tx) (err error) {
		t.bill = &bill{}
		for _, c := range group {
			if err := c.runIn(t.tx, savepoints); err != nil {
				return err
			}
		}
		if f.daemon && t.bill.rows > 0 {
			held, err = t.fit()
		}
		return err
	})
	if err == nil {
		f.held.Store(held)
	}
	return err
}

// transact runs fn in a transaction of its own. Only the caller that commits may call it. A panic is a
// failure like others: those who wait for the commit, or for the next one, go on.
func (f *file) transact(ctx context.Context, fn func(*Tx) error) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("panic in a commit to %s: %v\n%s", f.path, p, debug.Stack())
		}
	}()
	t := &tx{ctx: ctx, between: ctx, f: f}
	ran := false
	begun, err := within(ctx, f.w, driver.TxOptions{}, func(q *conn) error {
		if f.taken.Load() { // asked with the connection in hand: a rescue has not begun, or is over
			return fmt.Errorf("write %s: %w", f.path, ErrTaken)
		}
		t.q = q
		err := fn(whole(t))
		ran = err == nil
		return err
	})
	switch {
	case err == nil:
	case !begun:
		return fmt.Errorf("begin to write %s: %w", f.path, err)
	case ran:
		return fmt.Errorf("commit to %s: %w", f.path, err)
	default:
		return err
	}
	f.dropped.Add(t.droppedRows)
	f.undelivered.Add(t.droppedUnsent)
	f.outlets.owe(t.delivers)
	return nil
}

// runIn runs a change in the transaction of its group. One that fails is undone to its
// savepoint, or, without one, with the transaction.
func (c *change) runIn(group *tx, savepoint bool) error {
	if savepoint {
		if err := group.exec(`SAVEPOINT change`); err != nil {
			return err
		}
	}
	own := &tx{ctx: group.ctx, between: group.between, q: group.q, f: group.f, bill: group.bill}
	c.err = c.run(whole(own))
	switch {
	case c.err == nil:
		group.droppedRows += own.droppedRows
		group.droppedUnsent += own.droppedUnsent
		group.delivers = append(group.delivers, own.delivers...)
	case !savepoint, outOfRoom(c.err): // SQLite may have ended the transaction
		return c.err
	default:
		if err := group.exec(`ROLLBACK TO change`); err != nil {
			return err
		}
	}
	if savepoint {
		return group.exec(`RELEASE change`)
	}
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

// View runs fn on one consistent state, reading only.
func (f *file) View(ctx context.Context, fn func(*Tx) error) error {
	of := ctx
	if f.daemon { // its reads are short: one that has begun may end
		of = context.WithoutCancel(ctx)
	}
	begun, err := within(ctx, f.r, driver.TxOptions{ReadOnly: true}, func(q *conn) error {
		return fn(whole(&tx{ctx: of, between: ctx, q: q, f: f}))
	})
	if !begun && err != nil {
		return fmt.Errorf("begin to read %s: %w", f.path, err)
	}
	if code := (*sqlite.Error)(nil); errors.As(err, &code) && (code.Code()&0xff == corrupt || code.Code()&0xff == notADatabase) {
		return damaged(f.path, code)
	}
	return err
}

// viewed is what one consistent state has.
func viewed[T any](ctx context.Context, f *file, read func(*Tx) (T, error)) (v T, err error) {
	err = f.View(ctx, func(t *Tx) (err error) { v, err = read(t); return err })
	return v, err
}

// What SQLite answers where another process has locked the file; where a page, or the whole file, is none of its own;
// and where the file can't be written.
const (
	busy                          = 5
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
