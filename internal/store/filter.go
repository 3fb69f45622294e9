package store

import (
	"context"
	"iter"
	"strings"
	"time"
)

// Filter chooses what a list shows; its zero value is all.
type Filter struct {
	States    []string // alerts: State of one of their deliveries
	Accounts  []string
	Regions   []string
	Resources []string  // alerts: the resource of one of their flow logs
	Sinks     []string  // alerts: a sink that has taken the alert, or that it waits for
	Held      bool      // flow logs: only live ones that are held
	Failed    bool      // alerts: a sink has refused the alert and not taken it since
	Since     time.Time // flow logs: first seen or gone since; incidents: detected; alerts: raised
	Begins    string    // what the ID begins with
	Limit     int       // the most rows; 0: all
}

// fields are the expressions that a list is filtered by; since compares with a time.
type fields struct{ state, account, region, resource, id, since string }

// where is the condition by which f chooses the rows of a list.
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

// in adds the condition that the expression has one of the values. It adds none if there are no
// values, or if the list has no such expression.
func (w *where) in(expression string, values []string) {
	if len(values) > 0 && expression != "" {
		w.and(expression+` IN (SELECT value FROM json_each(?))`, body(values))
	}
}

func (w where) String() string {
	return `(` + strings.Join(append([]string{`1`}, w.parts...), `) AND (`) + `)`
}

// page is how many rows a list reads at once: a list of any length needs little memory,
// and no query stays open while its caller works on a row.
const page = 500

// pages yields a list of at most limit rows (0: all) in parts of size rows. read returns the
// rows after last, the first ones if last is nil. After an error, pages yields nothing more.
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
