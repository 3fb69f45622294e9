package store

import (
	"encoding/json"
	"fmt"
	"strings"

	"flowkeeper/inventory"
)

// reader is a transaction, or a part of one.
type reader interface {
	rows(row func(scan func(columns ...any) error) error, query string, args ...any) error
}

// A query is read by one of the following functions. The beginning of a name says how many rows the function reads: the
// first one, or all; ByKey: all, into a map. The rest says what a row is: several columns (Row), one column of JSON
// (Body), or one column of anything else (Value).

// firstRow reads the first row of a query, by its columns, and reports whether there is any.
func firstRow(t reader, columns []any, query string, args ...any) (ok bool, err error) {
	err = t.rows(func(scan func(...any) error) error {
		if err := scan(columns...); err != nil {
			return err
		}
		ok = true
		return errEnough
	}, query, args...)
	return ok, err
}

// firstBody decodes the JSON of the first row, and reports whether there is any.
func firstBody[T any](t reader, query string, args ...any) (v T, ok bool, err error) {
	ok, err = firstRow(t, []any{asJSON{&v}}, query, args...)
	return v, ok, err
}

// firstValue reads the value of the first row; if there is none, it is the zero value.
func firstValue[T any](t reader, query string, args ...any) (v T, err error) {
	_, err = firstRow(t, []any{&v}, query, args...)
	return v, err
}

// allRows reads each row into a T, by its columns.
func allRows[T any](t reader, columns func(*T) []any, query string, args ...any) (out []T, err error) {
	err = t.rows(func(scan func(...any) error) error {
		var v T
		err := scan(columns(&v)...)
		out = append(out, v)
		return err
	}, query, args...)
	return out, err
}

// allBodies decodes the JSON of each row.
func allBodies[T any](t reader, query string, args ...any) ([]T, error) {
	return allRows(t, func(v *T) []any { return []any{asJSON{v}} }, query, args...)
}

// allValues reads the value of each row.
func allValues[T any](t reader, query string, args ...any) ([]T, error) {
	return allRows(t, func(v *T) []any { return []any{v} }, query, args...)
}

// rowsByKey reads each row into a key and what the map has for it, by the columns of both.
func rowsByKey[K comparable, V any](t reader, columns func(*K, *V) []any, query string, args ...any) (map[K]V, error) {
	out := map[K]V{}
	err := t.rows(func(scan func(...any) error) error {
		var k K
		var v V
		err := scan(columns(&k, &v)...)
		out[k] = v
		return err
	}, query, args...)
	return out, err
}

// valuesByKey reads each row of two columns: a key, and the value that the map has for it.
func valuesByKey[K comparable, V any](t reader, query string, args ...any) (map[K]V, error) {
	return rowsByKey(t, func(k *K, v *V) []any { return []any{k, v} }, query, args...)
}

// scopesOf reads the accounts and Regions that a query selects.
func scopesOf(t reader, query string, args ...any) ([]inventory.Scope, error) {
	return allRows(t, func(s *inventory.Scope) []any { return []any{&s.Account, &s.Region} }, query, args...)
}

// among returns a query for which a parameter is a list, and the argument. Nearly every list has one element: then the
// query compares with this element, because SQLite would copy the result of json_each into a temporary table first.
func among(query, parameter string, list []string) (string, any) {
	if len(list) == 1 {
		return strings.ReplaceAll(query, `IN (SELECT value FROM json_each(`+parameter+`))`, `= `+parameter), list[0]
	}
	return query, body(list)
}

// asJSON reads a column that holds a value as JSON, packed or not.
type asJSON struct{ of any }

// Scan implements sql.Scanner.
func (c asJSON) Scan(column any) error {
	switch text := column.(type) {
	case string:
		return json.Unmarshal([]byte(text), c.of)
	case []byte:
		text, err := unpack(text)
		if err != nil {
			return err
		}
		return json.Unmarshal(text, c.of)
	}
	return fmt.Errorf("%T instead of JSON", column)
}
