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

// updateWithin is Update that waits, for delay at most, for another update to share a
// commit with.
func (f *file) updateWithin(ctx context.Context, delay time.Duration, fn func(*Tx) error) error {
	u := &update{fn: fn, done: make(chan struct{}), lead: make(chan struct{})}
	if f.join(u, delay) {
		f.commit(context.WithoutCancel(ctx), f.take()) // its own update is among them
		f.next()
	}
	return u.err
}

// commit runs a group in one transaction. If the disk is full, it drops rows and tries again,
// until nothing may be dropped. Then it tries each update alone: there may be room for a
// small update, and not for the group.
func (f *file) commit(ctx context.Context, group []*update) {
	err := f.try(ctx, group)
	for f.daemon && outOfRoom(err) && f.makeRoom(ctx) {
		err = f.try(ctx, group)
	}
	alone := f.daemon && outOfRoom(err) && len(group) > 1
	for _, u := range group {
		if alone {
			err = f.try(ctx, []*update{u})
		}
		if u.err == nil {
			u.err = err
		}
		close(u.done)
	}
}

// try runs a group in one transaction. If an update fails, all run again, each in a savepoint.
// There are none at first: SQLite copies each page that changes after a savepoint, and updates rarely fail.
func (f *file) try(ctx context.Context, group []*update) error {
	err := f.together(ctx, group, false)
	if failed := func(u *update) bool { return u.err != nil }; len(group) > 1 && slices.ContainsFunc(group, failed) && !outOfRoom(err) {
		err = f.together(ctx, group, true)
	}
	return err
}

// together runs a group in one transaction. With savepoints, an update that fails does not
// fail the others.
func (f *file) together(ctx context.Context, group []*update, savepoints bool) error {
	held := f.held.Load()
	for _, u := range group {
		u.err = nil
	}
	err := f.transact(ctx, func(t *Tx) (err error) {
		t.bill = &bill{}
		for _, u := range group {
			if err := u.runIn(t.tx, savepoints); err != nil {
				return err
			}
		}
		if f.daemon && t.bill.rows > 0 {
			held, err = t.dropOverBudget()
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
		if f.taken.Load() { // false: a rescue that begins now waits for this connection, and copies what is committed here
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
	f.outlets.add(t.delivers)
	return nil
}

// runIn runs an update in the transaction of its group. An update that fails is rolled back to
// its savepoint or, without one, with the whole transaction.
func (u *update) runIn(group *tx, savepoint bool) error {
	if savepoint {
		if err := group.exec(`SAVEPOINT change`); err != nil {
			return err
		}
	}
	own := &tx{ctx: group.ctx, between: group.between, q: group.q, f: group.f, bill: group.bill}
	u.err = u.run(whole(own))
	switch {
	case u.err == nil:
		group.droppedRows += own.droppedRows
		group.droppedUnsent += own.droppedUnsent
		group.delivers = append(group.delivers, own.delivers...)
	case !savepoint, outOfRoom(u.err): // SQLite may have ended the transaction
		return u.err
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

// run calls the update. A panic fails only this update: the others of the group go on, and
// so do the callers that wait for the commit.
func (u *update) run(t *Tx) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("panic in a change of the state file: %v\n%s", p, debug.Stack())
		}
	}()
	return u.fn(t)
}

// View runs fn on one consistent state, reading only.
func (f *file) View(ctx context.Context, fn func(*Tx) error) error {
	statements := ctx
	if f.daemon { // its reads are short: a statement that has begun may finish
		statements = context.WithoutCancel(ctx)
	}
	begun, err := within(ctx, f.r, driver.TxOptions{ReadOnly: true}, func(q *conn) error {
		return fn(whole(&tx{ctx: statements, between: ctx, q: q, f: f}))
	})
	if !begun && err != nil {
		return fmt.Errorf("begin to read %s: %w", f.path, err)
	}
	if code := (*sqlite.Error)(nil); errors.As(err, &code) && (code.Code()&0xff == corrupt || code.Code()&0xff == notADatabase) {
		return damaged(f.path, code)
	}
	return err
}

// viewed returns what read finds in one consistent state.
func viewed[T any](ctx context.Context, f *file, read func(*Tx) (T, error)) (v T, err error) {
	err = f.View(ctx, func(t *Tx) (err error) { v, err = read(t); return err })
	return v, err
}

// Result codes of SQLite: another process has locked the file; a page is damaged, or the file is no database; the file
// can't be written.
const (
	busy                          = 5
	corrupt, notADatabase         = 11, 26
	readOnly, ioError, full, cant = 8, 10, 13, 14
)

// Unwritable reports whether a commit failed because of the file or its disk, and
// not because of the update.
func Unwritable(err error) bool {
	if code := (*sqlite.Error)(nil); errors.As(err, &code) {
		return slices.Contains([]int{readOnly, ioError, full, cant}, code.Code()&0xff)
	}
	return errors.Is(err, syscall.ENOSPC)
}
