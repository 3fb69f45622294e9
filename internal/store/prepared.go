package store

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"strings"

	"modernc.org/sqlite"
)

// mostPrepared is how many statements stay prepared on one connection: more than there are
// different ones from a deletion to the end of its restore.
const mostPrepared = 128

// openDB is sql.Open for SQLite, with connections that prepare a statement once. SQLite
// takes longer to parse and plan most of our queries than to run them.
func openDB(dsn string) (*sql.DB, error) {
	c, err := sqlite.NewConnector(dsn)
	if err != nil {
		return nil, err
	}
	return sql.OpenDB(connector{c}), nil
}

type connector struct{ driver.Connector }

func (c connector) Connect(ctx context.Context) (driver.Conn, error) {
	plain, err := c.Connector.Connect(ctx)
	if err != nil {
		return nil, err
	}
	return &conn{sqliteConn: plain.(sqliteConn), idle: map[string]driver.Stmt{}}, nil
}

// sqliteConn is what package sql uses of a connection of SQLite's driver.
type sqliteConn interface {
	driver.Conn
	driver.ConnBeginTx
	driver.ConnPrepareContext
	driver.ExecerContext
	driver.QueryerContext
	driver.SessionResetter
	driver.Validator
}

// conn keeps the statements that it has run, by their text, to run them again. A statement is
// idle, or used by one call or one open result: a query that runs again while its own result
// is open is prepared a second time. A statement that fails is closed. Package sql guards
// a connection by a mutex, also during sql.Conn.Raw.
type conn struct {
	sqliteConn
	idle map[string]driver.Stmt
}

// take returns a prepared statement, or nil for a PRAGMA: SQLite runs some of these
// when it prepares them.
func (c *conn) take(ctx context.Context, query string) (driver.Stmt, error) {
	if strings.HasPrefix(query, "PRAGMA") {
		return nil, nil
	}
	if s, ok := c.idle[query]; ok {
		delete(c.idle, query)
		return s, nil
	}
	return c.PrepareContext(ctx, query)
}

// give makes a statement idle again, or closes it if its call ended with an error. It returns err.
func (c *conn) give(query string, s driver.Stmt, err error) error {
	if _, another := c.idle[query]; another || err != nil {
		_ = s.Close() // its error can only repeat err
		return err
	}
	for other, old := range c.idle {
		if len(c.idle) < mostPrepared {
			break
		}
		delete(c.idle, other) // any of them: lists with rare filters prepare many statements, which must not fill the memory
		_ = old.Close()
	}
	c.idle[query] = s
	return nil
}

func (c *conn) ExecContext(ctx context.Context, query string, args []driver.NamedValue) (driver.Result, error) {
	s, err := c.take(ctx, query)
	if err != nil {
		return nil, err
	}
	if s == nil {
		return c.sqliteConn.ExecContext(ctx, query, args)
	}
	result, err := s.(driver.StmtExecContext).ExecContext(ctx, args)
	return result, c.give(query, s, err)
}

func (c *conn) QueryContext(ctx context.Context, query string, args []driver.NamedValue) (driver.Rows, error) {
	s, err := c.take(ctx, query)
	if err != nil {
		return nil, err
	}
	if s == nil {
		return c.sqliteConn.QueryContext(ctx, query, args)
	}
	r, err := s.(driver.StmtQueryContext).QueryContext(ctx, args)
	if err != nil {
		return nil, c.give(query, s, err)
	}
	return &rows{Rows: r, give: func(err error) error { return c.give(query, s, err) }}, nil
}

// BeginTx begins a transaction, by a prepared statement too. A transaction that may write locks
// the file at once. BeginTx ignores its context: if the context ended after BEGIN has succeeded,
// package sql would think that no transaction was begun.
func (c *conn) BeginTx(_ context.Context, o driver.TxOptions) (driver.Tx, error) {
	begin := "BEGIN IMMEDIATE"
	if o.ReadOnly {
		begin = "BEGIN"
	}
	_, err := c.ExecContext(context.Background(), begin, nil)
	return transaction{c}, err
}

// transaction is the open transaction of a connection.
type transaction struct{ *conn }

// Commit implements driver.Tx.
func (t transaction) Commit() error {
	_, err := t.ExecContext(context.Background(), "COMMIT", nil)
	if err != nil {
		_ = t.Rollback() // SQLite may not have ended it
	}
	return err
}

// Rollback implements driver.Tx.
func (t transaction) Rollback() error {
	_, err := t.ExecContext(context.Background(), "ROLLBACK", nil)
	return err
}

// Close closes the statements first: SQLite does not close a connection that has open ones.
func (c *conn) Close() error {
	for query, s := range c.idle {
		delete(c.idle, query)
		_ = s.Close()
	}
	return c.sqliteConn.Close()
}

// rows is the result of a prepared statement. Close gives the statement back to its connection.
type rows struct {
	driver.Rows
	give func(error) error
}

func (r *rows) Close() error { return r.give(r.Rows.Close()) }
