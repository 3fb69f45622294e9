// Package exportfile is the format of `flowkeeper inventory export`: the flow logs of a
// snapshot as JSON lines, after a line that names the format.
//
// An export may come from another machine, or have been edited. Read checks the whole
// file, refuses what can't be a flow log, and returns every problem with its line.
//
// The package opens no file and starts no goroutine.
package exportfile
