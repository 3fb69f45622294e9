// Package daemon connects the other packages: `flowkeeper run` and the demo both
// run a Daemon.
//
//  1. open: the HTTP listener, the sinks, the state file (or its copy from S3).
//  2. connect: the credentials of every account, the scopes, the remediator.
//  3. loops: every goroutine that lives as long as the daemon.
//  4. On SIGTERM the context ends; each loop finishes what it has begun.
//  5. close: the state file last.
//
// The goroutines belong to one errgroup in loops, which waits for all of them: a
// sender for each sink; a restorer, the refreshes and the rehearsals of each scope;
// the watcher; the search for new Regions; pruning; and one each for HTTP, copies of
// the state file, STATUS, heartbeat, watchdog, alerts that are due, and changes by
// commands. Loops that need AWS start once AWS has been reached; the others start
// at once.
//
// The package decides nothing about incidents or alerts of deletions: it says when
// something runs, and reports parts of the pipeline that fail and recover.
package daemon
