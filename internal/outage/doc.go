// Package outage keeps repeated failures out of the log.
//
// The caller notes the result of each try in an [Outage], which answers when something has begun to fail,
// and when it works again. The caller logs these two, and nothing between them. What is alerted has a
// pipeline.Outage, which is one of these and remembers its alert in the state file.
//
// The package logs nothing itself, starts no goroutine and imports nothing of Flowkeeper.
package outage
