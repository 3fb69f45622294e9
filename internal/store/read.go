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

// among returns a query for which a parameter is a list, and the argument. Nearly every list has one element: then the
// query compares with this element, because SQLite would copy the result of json_each into a temporary table first.
func among(query, parameter string, list []string) (string, any) {
	if len(list) == 1 {
		return strings.ReplaceAll(query, `IN (SELECT value FROM json_each(`+parameter+`))`, `= `+parameter), list[0]
	}
	return query, body(list)
}

// all reads each row of a query into a T, by its columns.
func all[T any](t reader, columns func(*T) []any, query string, args ...any) (out []T, err error) {
	err = t.rows(func(scan func(...any) error) error {
		var v T
		err := scan(columns(&v)...)
		out = append(out, v)
		return err
	}, query, args...)
	return out, err
}

// byKey reads the rows of a query into a map.
func byKey[K comparable, V any](t reader, columns func(*K, *V) []any, query string, args ...any) (map[K]V, error) {
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

// first reads the first row of a query, by its columns. It reports whether there is any.
func first(t reader, columns []any, query string, args ...any) (ok bool, err error) {
	err = t.rows(func(scan func(...any) error) error {
		if err := scan(columns...); err != nil {
			return err
		}
		ok = true
		return errEnough
	}, query, args...)
	return ok, err
}

// find decodes the first JSON body that a query selects.
func find[T any](t reader, query string, args ...any) (v T, ok bool, err error) {
	ok, err = first(t, []any{asJSON{&v}}, query, args...)
	return v, ok, err
}

// each decodes every JSON body that a query selects.
func each[T any](t reader, query string, args ...any) ([]T, error) {
	return all(t, func(v *T) []any { return []any{asJSON{v}} }, query, args...)
}

// value reads the one value that a query selects; the zero value if there is none.
func value[T any](t reader, query string, args ...any) (v T, err error) {
	_, err = first(t, []any{&v}, query, args...)
	return v, err
}

// values reads the one column that a query selects.
func values[T any](t reader, query string, args ...any) ([]T, error) {
	return all(t, func(v *T) []any { return []any{v} }, query, args...)
}

// pairs reads the two columns that a query selects into a map.
func pairs[K comparable, V any](t reader, query string, args ...any) (map[K]V, error) {
	return byKey(t, func(k *K, v *V) []any { return []any{k, v} }, query, args...)
}

// scopesOf reads the accounts and Regions that a query selects.
func scopesOf(t reader, query string, args ...any) ([]inventory.Scope, error) {
	return all(t, func(s *inventory.Scope) []any { return []any{&s.Account, &s.Region} }, query, args...)
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
