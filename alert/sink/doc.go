// Package sink delivers alerts to the configured receivers, in spite of failures (I7).
// Package alert decides what an alert says.
//
// An alert is delivered in two steps:
//
//  1. Routes.For names the sinks. Package store writes the alert and one Delivery for
//     each sink in the transaction that caused the alert: the outbox.
//  2. One Sender for each sink takes the most urgent delivery that is due, calls
//     Sink.Send, and records the result in the Outbox: sent, failed, or parked (given up).
//
// The package starts no goroutine that outlives a call. internal/daemon runs Sender.Run
// in one goroutine for each sink and waits for it to end; SendAll sends to all sinks at
// once and returns when each has answered.
//
// The package never puts a URL, a key or a token into an error, a log line or an alert
// (I11). It gives up an alert only if a sink has not taken it for three days. It reads
// neither the configuration nor the state file: its callers pass in what it needs.
package sink
