package store

import (
	"context"
	"database/sql/driver"
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"time"

	"flowkeeper/alert"
)

// tx runs SQL in one transaction.
type tx struct {
	ctx     context.Context // of the statements: if it ends, a running one is interrupted
	between context.Context // if it ends, no other statement begins, and no other row is read
	q       *conn
	f       *file
	bounded bool // unknown incidents were counted already

	bill                       *bill   // of the commit; nil: the transaction only reads, or drops
	droppedRows, droppedUnsent int64   // by this transaction
	delivers                   []added // the deliveries that this transaction adds
}

// exec runs a statement that returns no rows.
func (t *tx) exec(query string, args ...any) error {
	_, err := t.changed(query, args...)
	return err
}

// arguments converts the arguments of a statement for the driver. It also fails if no other
// statement may begin.
func (t *tx) arguments(args []any) ([]driver.NamedValue, error) {
	if err := t.between.Err(); err != nil {
		return nil, err
	}
	out := make([]driver.NamedValue, len(args))
	for n, a := range args {
		v, err := driver.DefaultParameterConverter.ConvertValue(a)
		if err != nil {
			return nil, fmt.Errorf("argument %d: %w", n+1, err)
		}
		out[n] = driver.NamedValue{Ordinal: n + 1, Value: v}
	}
	return out, nil
}

// changed is exec that returns how many rows the statement changed.
func (t *tx) changed(query string, args ...any) (n int64, err error) {
	values, err := t.arguments(args)
	if err != nil {
		return 0, t.failed("write", query, args, err)
	}
	done, err := t.q.ExecContext(t.ctx, query, values)
	if err == nil {
		n, err = done.RowsAffected()
	}
	return n, t.failed("write", query, args, err)
}

// execEach runs statements with the same arguments, one after the other.
func (t *tx) execEach(queries []string, args ...any) error {
	for _, q := range queries {
		if err := t.exec(q, args...); err != nil {
			return err
		}
	}
	return nil
}

// rows calls row for each row of a query, until row returns an error. After errEnough, rows
// returns nil. scan reads the columns: see result.scan.
func (t *tx) rows(row func(scan func(columns ...any) error) error, query string, args ...any) error {
	values, err := t.arguments(args)
	if err != nil {
		return t.failed("read", query, args, err)
	}
	selected, err := t.q.QueryContext(t.ctx, query, values)
	if err != nil {
		return t.failed("read", query, args, err)
	}
	defer selected.Close()
	r := result{Rows: selected}
	for err == nil {
		var more bool
		if more, err = r.next(); !more {
			break
		}
		if err = row(r.scan); err == nil {
			err = t.between.Err()
		}
	}
	if errors.Is(err, errEnough) {
		return nil
	}
	return t.failed("read", query, args, err)
}

// errEnough is returned by a function that tx.rows calls, if it needs no more rows.
var errEnough = errors.New("enough")

// failed says what could not be read or written.
func (t *tx) failed(doing, query string, args []any, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("%s %s in %s: %w", doing, subject(query, args), t.f.path, err)
}

var tableOf = regexp.MustCompile(`\b(?:FROM|INTO|UPDATE) (?:json_each\([^)]*\) \w+ CROSS JOIN )?([a-z_]+)`)

// subject says for an error what a query is about: its first table, and its first three text
// arguments, which identify the row.
func subject(query string, args []any) string {
	about := "rows"
	if m := tableOf.FindStringSubmatch(query); m != nil {
		about = m[1]
	}
	for n, most := 0, 3; n < len(args) && most > 0; n++ {
		if word, ok := args[n].(string); ok && word != "" && len(word) <= 100 {
			about, most = about+" "+alert.Clean(word, 100), most-1
		}
	}
	return about
}

// body encodes a value; its fields are plain, so it can't fail.
func body(v any) string {
	b, err := json.Marshal(v)
	if err != nil {
		panic("store: not a plain value: " + err.Error())
	}
	return string(b)
}

// farthest is how far ahead an incident or event may be due: dueBy writes no later time. A
// row that seems due later was written before the clock went back, and is due now.
const farthest = 20 * time.Minute

// dueBy returns the time at which a row is due, as its column has it; NULL: never.
func (t *tx) dueBy(at time.Time) any {
	if last := t.f.now().Add(farthest); at.After(last) {
		at = last
	}
	return millis(at)
}

// millis of a time; NULL for none.
func millis(t time.Time) any {
	if t.IsZero() {
		return nil
	}
	return t.UnixMilli()
}
