package store

import (
	"context"
	"iter"
	"strings"
	"time"
)

// Filter chooses what a list shows; its zero value is all.
type Filter struct {
	States    []string // of alerts: of a delivery, as its State has it
	Accounts  []string
	Regions   []string
	Resources []string  // of flow logs; of alerts: one of their flow logs is of one
	Sinks     []string  // of alerts: one of them has it or is to get it
	Held      bool      // of flow logs: held ones that are there
	Failed    bool      // of alerts: a sink has refused it and not taken it since
	Since     time.Time // flow logs: first seen or gone since; incidents: detected; alerts: raised
	Begins    string    // what the ID begins with
	Limit     int       // at most so many; 0: all
}

// fields are the expressions that a list is filtered by; since compares with a time.
type fields struct{ state, account, region, resource, id, since string }

// where is the condition that f means for a list.
func (f Filter) where(by fields) (w where) {
	w.in(by.state, f.States)
	w.in(by.account, f.Accounts)
	w.in(by.region, f.Regions)
	w.in(by.resource, f.Resources)
	if f.Begins != "" {
		w.and(`substr(`+by.id+`, 1, length(?)) = ?`, f.Begins, f.Begins)
	}
	if !f.Since.IsZero() {
		w.and(by.since, f.Since.UnixMilli())
	}
	return w
}

// where is the condition of a query, built of parts that all must hold.
type where struct {
	parts []string
	args  []any
}

func (w *where) and(part string, args ...any) {
	w.parts, w.args = append(w.parts, part), append(w.args, args...)
}

// in asks for one of the values, where there are any, and the list has the expression.
func (w *where) in(expression string, values []string) {
	if len(values) > 0 && expression != "" {
		w.and(expression+` IN (SELECT value FROM json_each(?))`, body(values))
	}
}

func (w where) String() string {
	return `(` + strings.Join(append([]string{`1`}, w.parts...), `) AND (`) + `)`
}

// page is how many rows a list reads at once: lists of any length stay small
// in memory, and no query stays open while a row is used.
const page = 500

// pages reads a list of at most limit rows (0: all), so many at once, each time those
// after the last one. With the first ones, last is nil. An error is the last that it yields.
func pages[T any](ctx context.Context, f *file, limit, size int, read func(t *Tx, last *T, size int) ([]T, error)) iter.Seq2[[]T, error] {
	return func(yield func([]T, error) bool) {
		var last *T
		for n := 0; ; {
			most := size
			if limit > 0 {
				most = min(size, limit-n)
			}
			part, err := viewed(ctx, f, func(t *Tx) ([]T, error) { return read(t, last, most) })
			if !yield(part, err) || err != nil {
				return
			}
			if n += len(part); len(part) < most || n == limit {
				return
			}
			last = &part[len(part)-1]
		}
	}
}
