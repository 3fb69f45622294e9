package store

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"
)

// TestADaemonsReadsBeginNoGoroutine: package sql would start a goroutine for each transaction and each result, and the
// driver one for each statement whose context may end. A read of the store starts none. The test is not parallel: it
// searches the stacks of all goroutines.
func TestADaemonsReadsBeginNoGoroutine(t *testing.T) {
	s := open(t, filepath.Join(t.TempDir(), "state.db"))
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	sqlWatches := func() bool { // package sql has a goroutine that waits for the end of a context
		stacks := make([]byte, 1<<20)
		return bytes.Contains(stacks[:runtime.Stack(stacks, true)], []byte("awaitDone"))
	}
	for end := time.Now().Add(time.Minute); sqlWatches() && time.Now().Before(end); runtime.Gosched() { // until the goroutines that Open started have ended
	}
	err := s.View(ctx, func(tx *Tx) error {
		if tx.ctx.Done() != nil {
			t.Error("the context can end, so the driver starts a goroutine for each statement")
		}
		return tx.rows(func(func(...any) error) error {
			if sqlWatches() {
				t.Error("package sql has started a goroutine for a read")
			}
			return errEnough
		}, `SELECT name FROM facts`)
	})
	if err != nil {
		t.Fatal(err)
	}
}

func TestAReadEndsWithItsContext(t *testing.T) {
	t.Parallel()
	s := open(t, filepath.Join(t.TempDir(), "state.db"))
	ctx, cancel := context.WithCancel(t.Context())
	err := s.View(ctx, func(tx *Tx) error {
		cancel()
		_, err := firstValue[int](tx, `SELECT count(*) FROM facts`)
		return err
	})
	if !errors.Is(err, context.Canceled) {
		t.Errorf("a read whose context had ended: %v", err)
	}
	if err := s.View(ctx, func(*Tx) error { return nil }); !errors.Is(err, context.Canceled) {
		t.Errorf("a read that began after its context had ended: %v", err)
	}
}

// TestAReadEndsBetweenTwoRows: the driver checks the context of a statement only until it has the first row. So the
// store must check it before each of the others.
func TestAReadEndsBetweenTwoRows(t *testing.T) {
	t.Parallel()
	s := open(t, filepath.Join(t.TempDir(), "state.db"))
	ctx, cancel := context.WithCancel(t.Context())
	rows := 0
	err := s.View(ctx, func(tx *Tx) error {
		return tx.rows(func(func(...any) error) error { rows++; cancel(); return nil }, `SELECT value FROM json_each('[1,2,3]')`)
	})
	if !errors.Is(err, context.Canceled) || rows != 1 {
		t.Errorf("%d rows were read after the context had ended, want none: %v", rows-1, err)
	}
}

// TestAReadThatPanics: a panic must leave no transaction open, and must give back its connection: there are only a few.
func TestAReadThatPanics(t *testing.T) {
	t.Parallel()
	s := open(t, filepath.Join(t.TempDir(), "state.db"))
	for range 2 * readers {
		func() {
			defer func() {
				if recover() == nil {
					t.Error("the panic was lost")
				}
			}()
			_ = s.View(t.Context(), func(*Tx) error { panic("in a read") })
		}()
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	if err := s.View(ctx, func(tx *Tx) error { _, err := firstValue[int](tx, `SELECT count(*) FROM facts`); return err }); err != nil {
		t.Error("after a panic: ", err)
	}
	if err := s.Update(ctx, func(tx *Tx) error { return tx.setFact("a", "b") }); err != nil {
		t.Error("after a panic: ", err)
	}
}

// TestACommitThatPanics: if a commit panics outside of its changes, these changes fail with that panic. Later changes
// can still be committed.
func TestACommitThatPanics(t *testing.T) {
	t.Parallel()
	s := open(t, filepath.Join(t.TempDir(), "state.db"))
	s.free = func() (int64, error) { panic("in a commit") }
	done := make(chan error, 2)
	go func() {
		defer func() {
			if p := recover(); p != nil {
				done <- fmt.Errorf("not recovered: %v", p)
			}
		}()
		done <- s.Update(t.Context(), func(tx *Tx) error { return tx.AddAlert(minor(1)) })
	}()
	if err := <-done; err == nil || !strings.HasPrefix(err.Error(), "panic in a commit") {
		t.Error("want an error that says \"panic in a commit\": ", err)
	}
	s.free = func() (int64, error) { return 1 << 40, nil }
	go func() { done <- s.Update(t.Context(), func(tx *Tx) error { return tx.AddAlert(minor(2)) }) }()
	select {
	case err := <-done:
		if err != nil {
			t.Error("after a panic: ", err)
		}
	case <-time.After(time.Minute):
		t.Fatal("nothing can be committed after a panic")
	}
	if n := s.count(t, `SELECT count(*) FROM alerts`); n != 1 {
		t.Errorf("%d alerts are stored, want only the second one", n)
	}
}

func TestAssign(t *testing.T) {
	t.Parallel()
	type word string
	var (
		text  string
		named word
		n     int
		wide  int64
		is    bool
		x     float64
		some  any
		raw   []byte
	)
	for _, c := range []struct {
		to, from, want any
		got            func() any
	}{
		{&text, "a", "a", func() any { return text }},
		{&text, []byte("b"), "b", func() any { return text }},
		{&text, int64(7), "7", func() any { return text }},
		{&named, "c", word("c"), func() any { return named }},
		{&n, int64(-3), -3, func() any { return n }},
		{&n, "12", 12, func() any { return n }},
		{&wide, int64(1) << 40, int64(1) << 40, func() any { return wide }},
		{&is, int64(1), true, func() any { return is }},
		{&is, int64(0), false, func() any { return is }},
		{&x, 1.5, 1.5, func() any { return x }},
		{&x, int64(2), 2.0, func() any { return x }},
		{&some, nil, nil, func() any { return some }},
		{&some, "d", "d", func() any { return some }},
		{&raw, []byte("e"), "e", func() any { return string(raw) }},
		{&raw, "f", "f", func() any { return string(raw) }},
		{&raw, nil, true, func() any { return raw == nil }},
	} {
		t.Run(fmt.Sprintf("%#v to %T", c.from, c.to), func(t *testing.T) {
			if err := assign(c.to, c.from); err != nil || c.got() != c.want {
				t.Errorf("assign(%T, %#v): %#v, %v", c.to, c.from, c.got(), err)
			}
		})
	}
	for _, c := range []struct{ to, from any }{
		{&text, nil}, {&n, nil}, {&wide, nil}, {&is, nil}, {&n, "twelve"}, {&n, 1.5}, {&is, int64(2)}, {new(int8), int64(1000)}, {&struct{}{}, "a"},
	} {
		t.Run(fmt.Sprintf("%#v to %T", c.from, c.to), func(t *testing.T) {
			if err := assign(c.to, c.from); err == nil {
				t.Errorf("assign(%T, %#v) has no error", c.to, c.from)
			}
		})
	}
}
