// Package systemd connects the daemon to the service manager: the unit file
// flowkeeper.service, the messages "ready", "stopping" and "alive", and log lines
// in the journal's own protocol.
//
//  1. Each loop of the daemon registers with Progress and reports each round.
//  2. Watchdog asks whether all of them still make progress; only then it sends
//     the keep-alive message that WatchdogSec= expects.
//  3. Journal is a slog.Handler that writes one entry for each log line.
//
// Watchdog runs in a goroutine of internal/daemon. The package starts none.
//
// It never fails because systemd does not run: without NOTIFY_SOCKET it sends no
// message, and a line that the journal does not take goes to standard error.
package systemd
