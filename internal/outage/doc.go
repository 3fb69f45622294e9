// Package outage keeps repeated failures out of the log.
//
// The caller notes the result of each try in an [Outage], which answers when something has begun to fail,
// and when it works again. The caller logs these two, and nothing between them. An outage that causes
// alerts is a pipeline.Outage, which contains an Outage and remembers its alert in the state file.
//
// The package logs nothing itself, starts no goroutine and imports nothing of Flowkeeper.
package outage
