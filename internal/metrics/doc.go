// Package metrics is what Prometheus sees of a daemon.
//
//  1. [Meters] counts what happens, in memory: other packages call it (remediate.Meter, watcher.Meter).
//  2. [Scrape] answers /metrics with these counts and with what the state file holds.
//
// The package starts no goroutine: the HTTP listener of internal/daemon calls Scrape, several at a time.
// It changes nothing. The values of labels are bounded: names from the configuration, accounts, Regions, and
// words of fixed lists.
package metrics
