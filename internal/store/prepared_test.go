package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"testing"
)

// prepared opens a database with one connection, and returns the queries whose statements are prepared on it and idle.
func prepared(t *testing.T) (*sql.DB, func() map[string]bool) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "x.db")
	if err := os.WriteFile(path, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	db, err := openDB(dsn(path, ""))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	})
	db.SetMaxOpenConns(1)
	exec(t, db, `CREATE TABLE x (a INTEGER PRIMARY KEY, b TEXT)`)
	return db, func() map[string]bool {
		t.Helper()
		one, err := db.Conn(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		defer one.Close()
		idle := map[string]bool{}
		_ = one.Raw(func(c any) error {
			for query := range c.(*conn).idle {
				idle[query] = true
			}
			return nil
		})
		return idle
	}
}

// TestAStatementIsPreparedOnce: a connection keeps a statement that has run, and runs it again with other arguments. A
// kept statement follows changes of the schema. PRAGMAs are not kept.
func TestAStatementIsPreparedOnce(t *testing.T) {
	t.Parallel()
	db, idle := prepared(t)
	const insert, find, all = `INSERT INTO x (b) VALUES (?)`, `SELECT b FROM x WHERE a = ?`, `SELECT * FROM x ORDER BY a`
	for n := range 3 {
		exec(t, db, insert, fmt.Sprint("row ", n+1))
		exec(t, db, `PRAGMA user_version = 1`)
		var b string
		if err := db.QueryRow(find, n+1).Scan(&b); err != nil || b != fmt.Sprint("row ", n+1) {
			t.Fatalf("%q, %v", b, err)
		}
	}
	if got := idle(); len(got) != 3 || !got[insert] || !got[find] {
		t.Errorf("kept %v, want three statements, and no PRAGMA", got)
	}
	columns := func() int {
		t.Helper()
		rows, err := db.Query(all)
		if err != nil {
			t.Fatal(err)
		}
		defer rows.Close()
		names, err := rows.Columns()
		if err != nil || !rows.Next() {
			t.Fatal(err)
		}
		return len(names)
	}
	before := columns()
	exec(t, db, `ALTER TABLE x ADD COLUMN c`)
	if after := columns(); before != 2 || after != 3 {
		t.Errorf("%d columns before ALTER TABLE and %d after it, want 2 and 3", before, after)
	}
}

// TestAQueryWithinItsOwnResult: while the rows of a statement are read, the same query runs as another statement.
// Otherwise it would reset the rows of the first.
func TestAQueryWithinItsOwnResult(t *testing.T) {
	t.Parallel()
	db, idle := prepared(t)
	exec(t, db, `INSERT INTO x (b) VALUES ('1'), ('2'), ('3')`)
	tx, err := db.Begin()
	if err != nil {
		t.Fatal(err)
	}
	var count func(depth int) int
	count = func(depth int) (n int) {
		if depth == 0 {
			return 1
		}
		rows, err := tx.Query(`SELECT a FROM x`)
		if err != nil {
			t.Fatal(err)
		}
		defer rows.Close()
		for rows.Next() {
			n += count(depth - 1)
		}
		return n
	}
	if n := count(3); n != 27 {
		t.Errorf("%d rows, want 27", n)
	}
	if err := tx.Rollback(); err != nil {
		t.Fatal(err)
	}
	if !idle()[`SELECT a FROM x`] {
		t.Error("the statement is not kept for later")
	}
}

// TestAFailedStatementRunsAgain: a kept statement runs again after a constraint failed, and after its savepoint was
// rolled back. A statement whose context was cancelled is not kept.
func TestAFailedStatementRunsAgain(t *testing.T) {
	t.Parallel()
	db, idle := prepared(t)
	const insert = `INSERT INTO x (a) VALUES (?)`
	exec(t, db, insert, 1)
	tx, err := db.Begin()
	if err != nil {
		t.Fatal(err)
	}
	for n := range 3 {
		exec(t, tx, `SAVEPOINT change`)
		exec(t, tx, insert, 10+n)
		if _, err := tx.Exec(insert, 1); err == nil {
			t.Fatal("a key was inserted twice")
		}
		exec(t, tx, `ROLLBACK TO change; RELEASE change`)
	}
	if err := tx.Commit(); err != nil {
		t.Fatal(err)
	}
	const endless = `WITH RECURSIVE k (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM k WHERE n < 1e12) SELECT count(*) FROM k`
	ctx, cancel := context.WithCancel(t.Context())
	go cancel()
	var n int
	if err := db.QueryRowContext(ctx, endless).Scan(&n); !errors.Is(err, context.Canceled) {
		t.Fatal(err)
	}
	exec(t, db, insert, 2)
	if err := db.QueryRow(`SELECT count(*) FROM x`).Scan(&n); err != nil || n != 2 {
		t.Errorf("%d rows, %v", n, err)
	}
	if got := idle(); got[endless] || !got[insert] {
		t.Errorf("%v", got)
	}
}

// TestATransactionThatCanNotCommitIsOver: a COMMIT fails because of a deferred constraint. The transaction must end all
// the same, so that the connection can begin the next one.
func TestATransactionThatCanNotCommitIsOver(t *testing.T) {
	t.Parallel()
	db, idle := prepared(t)
	exec(t, db, `CREATE TABLE y (a REFERENCES x (a) DEFERRABLE INITIALLY DEFERRED)`)
	for _, a := range []int{1, 2} {
		tx, err := db.Begin()
		if err != nil {
			t.Fatal(err)
		}
		exec(t, tx, `INSERT INTO y VALUES (?)`, a)
		if a == 2 {
			exec(t, tx, `INSERT INTO x (a) VALUES (?)`, a)
		}
		if err := tx.Commit(); (err == nil) != (a == 2) {
			t.Errorf("%d: %v", a, err)
		}
	}
	var n int
	if err := db.QueryRow(`SELECT sum(a) FROM y`).Scan(&n); err != nil || n != 2 {
		t.Errorf("%d, %v", n, err)
	}
	if got := idle(); !got["BEGIN IMMEDIATE"] || !got["COMMIT"] {
		t.Errorf("%v", got)
	}
}

// TestPreparedStatementsAreBounded: a connection keeps at most mostPrepared statements, so that many different queries
// do not fill the memory.
func TestPreparedStatementsAreBounded(t *testing.T) {
	t.Parallel()
	db, idle := prepared(t)
	for n := range 3 * mostPrepared {
		exec(t, db, fmt.Sprintf(`SELECT %d`, n))
	}
	if n := len(idle()); n != mostPrepared {
		t.Errorf("%d statements are kept, want %d", n, mostPrepared)
	}
}
