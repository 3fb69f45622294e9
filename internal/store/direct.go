package store

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"io"
	"reflect"
	"strconv"
	"time"
)

// within runs fn in a transaction on a connection of db, and commits it if fn returns nil, unless the transaction
// only reads. begun: the transaction began. Package sql only lends the connection; the statements go straight to the
// driver. Otherwise package sql would start a goroutine for each transaction and each result, and the driver one for
// each statement whose context may end: together they cost as much as a short statement.
func within(ctx context.Context, db *sql.DB, o driver.TxOptions, fn func(*conn) error) (begun bool, err error) {
	lent, err := db.Conn(ctx)
	if err != nil {
		return false, err
	}
	defer lent.Close()
	err = lent.Raw(func(plain any) error {
		c := plain.(*conn)
		q, err := c.BeginTx(ctx, o)
		if err != nil {
			return err
		}
		begun = true
		ended := false
		defer func() {
			if !ended { // also after a panic
				_ = q.Rollback() // SQLite may have ended it
			}
		}()
		if err := fn(c); err != nil || o.ReadOnly {
			return err
		}
		ended = true // also if Commit fails: it rolls back itself
		return q.Commit()
	})
	return begun, err
}

// result is what a query selects, row by row.
type result struct {
	driver.Rows
	row []driver.Value
}

// next reads a row, and reports whether there is one.
func (r *result) next() (bool, error) {
	if r.row == nil {
		r.row = make([]driver.Value, len(r.Columns()))
	}
	err := r.Next(r.row)
	if errors.Is(err, io.EOF) {
		return false, nil
	}
	return err == nil, err
}

// scan reads the columns of the row into the variables that columns point to. It reads a
// time.Time from the number that millis makes of it.
func (r *result) scan(columns ...any) error {
	if len(columns) != len(r.row) {
		return fmt.Errorf("%d columns, not %d", len(r.row), len(columns))
	}
	for n, to := range columns {
		if err := assign(to, r.row[n]); err != nil {
			return err
		}
	}
	return nil
}

// assign sets the variable that to points to, as package sql does: NULL is an error for a plain type.
func assign(to any, v driver.Value) error {
	switch to := to.(type) {
	case sql.Scanner:
		return to.Scan(v)
	case *time.Time:
		return assignTime(to, v)
	case *any:
		*to = v
		return nil
	case *string:
		if text, ok := v.(string); ok {
			*to = text
			return nil
		}
	case *int64:
		if n, ok := v.(int64); ok {
			*to = n
			return nil
		}
	case *[]byte:
		switch v := v.(type) {
		case []byte:
			*to = v // no copy: the driver does not use the slice again
			return nil
		case nil:
			*to = nil
			return nil
		case string:
			*to = []byte(v)
			return nil
		}
	}
	return assignKind(to, v)
}

func assignTime(to *time.Time, v driver.Value) error {
	switch ms := v.(type) {
	case nil:
		*to = time.Time{}
	case int64:
		*to = time.UnixMilli(ms)
	default:
		return fmt.Errorf("%T instead of a time", v)
	}
	return nil
}

// assignKind is assign for any other variable, by its kind.
func assignKind(to any, v driver.Value) error {
	of, text := reflect.ValueOf(to).Elem(), ""
	switch v := v.(type) {
	case int64:
		text = strconv.FormatInt(v, 10)
	case float64:
		text = strconv.FormatFloat(v, 'g', -1, 64)
	case string:
		text = v
	case []byte:
		text = string(v)
	default:
		return fmt.Errorf("%T instead of %s", v, of.Type())
	}
	var err error
	switch of.Kind() {
	case reflect.String:
		of.SetString(text)
	case reflect.Bool:
		var is bool
		is, err = strconv.ParseBool(text)
		of.SetBool(is)
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		var n int64
		n, err = strconv.ParseInt(text, 10, of.Type().Bits())
		of.SetInt(n)
	case reflect.Float32, reflect.Float64:
		var x float64
		x, err = strconv.ParseFloat(text, of.Type().Bits())
		of.SetFloat(x)
	default:
		return fmt.Errorf("%T instead of %s", v, of.Type())
	}
	return err
}
