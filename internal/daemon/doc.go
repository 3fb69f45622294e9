// Package daemon connects the other packages: `flowkeeper run` and the demo both
// run a Daemon.
//
//  1. open: the HTTP listener, the sinks, the state file (or its copy from S3).
//  2. connect: the credentials of every account, the scopes, the remediator.
//  3. loops: every goroutine that lives as long as the daemon.
//  4. On SIGTERM the context ends; each loop finishes what it has begun.
//  5. close: the state file last.
//
// The goroutines belong to one errgroup in loops.go, which waits for all of them;
// docs/architecture.md lists each, and what it owns. Loops that need AWS start once AWS
// has been reached; the others start at once.
//
// The package decides nothing about incidents or alerts of deletions: it says when
// something runs, and reports parts of the pipeline that fail and recover.
package daemon
