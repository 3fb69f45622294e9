// Package store keeps everything durable in one SQLite file: the snapshot, the
// incidents with their history, the events, and the outbox of alerts. It is the
// only package with SQL.
//
//  1. Open creates or migrates the file (schema.go) and checks that it is sound.
//  2. Update runs a function in a transaction and returns when it is on disk.
//  3. View runs a function on one consistent state, reading only.
//  4. Changes that come together share one commit: group commit (docs/decisions/group-commit.md).
//     The caller who comes first commits for all. If one of them fails, all run again, each in a
//     savepoint of its own.
//  5. budget.go and prune.go keep each table within its bound.
//
// A Store is the open file (store.go, open.go, queue.go, commit.go) and a part for each
// kind of caller: outbox, snapshot, lists, counts. A transaction, Tx, is what runs SQL
// (tx.go, read.go) and a part for each table, or for a few that belong together, in a
// file of its own. packages.go has the stores that other packages declare.
//
// The file is in WAL mode with synchronous=FULL. One connection writes, several
// read. The package starts no goroutine; a Store is safe for concurrent use.
//
// It never loses what Update has returned, never changes a file that is another
// program's, and never opens a file of a newer schema.
package store
