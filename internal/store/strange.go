package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"

	"flowkeeper/alert"
)

// ErrStrange is wrapped by the error of Adopt if a copy has other tables, indexes, views or
// triggers than Flowkeeper makes: a trigger could undo whatever is written.
var ErrStrange = errors.New("it was not made by Flowkeeper alone")

// oursAlone compares a copy's schema with the one that the migrations of its version make,
// before anything is written to the copy.
func oursAlone(ctx context.Context, copied string) error {
	db, err := sql.Open("sqlite", dsn(copied, "&_pragma=query_only(1)"))
	if err != nil {
		return err
	}
	defer db.Close()
	version, err := versionOf(ctx, db, copied)
	if err != nil {
		return err
	}
	if version < 0 || version > len(migrations) {
		return nil // Open reports this version
	}
	have, err := schemaOf(ctx, db)
	if err != nil {
		return damaged(copied, err)
	}
	model, err := sql.Open("sqlite", ":memory:")
	if err != nil {
		return err
	}
	defer model.Close()
	model.SetMaxOpenConns(1) // each connection would have another database in memory
	if err := migrate(ctx, model, copied, migrations[:version]); err != nil {
		return err
	}
	want, err := schemaOf(ctx, model)
	if err != nil {
		return err
	}
	for _, line := range have {
		if !slices.Contains(want, line) {
			return fmt.Errorf("%w: there is a %s in it", ErrStrange, alert.Clean(line, 200))
		}
	}
	if len(have) != len(want) {
		return fmt.Errorf("%w: %d tables and indexes instead of %d", ErrStrange, len(have), len(want))
	}
	return nil
}

// schemaOf returns the tables, indexes, views and triggers of a database, a line each.
func schemaOf(ctx context.Context, db *sql.DB) (lines []string, err error) {
	err = db.QueryRowContext(ctx, `SELECT json_group_array(type || ' ' || name || ' of ' || tbl_name || ': ' || coalesce(sql, '')) FROM sqlite_schema`).Scan(asJSON{&lines})
	return lines, err
}
