// Package alert says what people read about a deletion, chooses the sinks that
// get it, and delivers it in spite of failures (I7).
//
// An alert takes this way:
//
//  1. Package remediate fills an Alert: kind, level, actor, flow logs.
//  2. The title and the text are written from those fields alone (title.go,
//     text.go, outcome.go); text that came from a record is cleaned and bounded
//     first (clean.go, fit.go).
//  3. Routes.For names the sinks. Package store writes the alert and one delivery
//     for each sink in the transaction that caused the alert: the outbox.
//  4. One Sender for each sink takes the most urgent delivery that is due, calls
//     Sink.Send, and records the result in the outbox: sent, failed, or parked.
//
// The package starts no goroutine that outlives a call. internal/daemon runs
// Sender.Run in one goroutine for each sink and waits for it to end; Direct sends
// to all sinks at once and returns when each has answered.
//
// The package never puts a URL, a key or a token into an error, a log line or an
// alert (I11); it gives up an alert that a sink does not take only after
// three days; and it reads
// neither the configuration nor the state file: its callers pass in both.
package alert
