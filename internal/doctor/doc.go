// Package doctor finds out why Flowkeeper would not receive a deletion, not restore
// it, or alert nobody.
//
//	state.go           state file, disk, the snapshot's age
//	credentials.go     who we are, in each scope; the clock
//	trail.go           does a trail log the calls?
//	event_bus.go       which rules lead to the queue; event_rule.go, event_pattern.go:
//	                   do they send what matters?
//	queue.go           the queue; queue_policy.go, senders.go, receivers.go: who may send
//	                   to it, and receive; better_policy.go: a policy to paste
//	round_trip.go      did the last rehearsal come back?
//	restore.go         dry runs; permissions.go and simulate.go: what IAM's simulator says
//	alert_sinks.go     where alerts of deletions go
//	who_may_delete.go  who may delete flow logs
//	daemon.go          the daemon on this machine
//
// The table of all checks is in checks.go. [Doctor.Run] makes them, several at a
// time, and reports their results in the order in which an event travels. A question
// that several checks have is asked once.
//
// It judges only what can be known exactly: of policies and selectors of another form
// than the usual ones it says which to read. What AWS itself can judge (event
// patterns, permissions) AWS is asked.
//
// It changes nothing: it receives no message, takes no lock, makes no file, and the
// only creates are dry runs. It deletes nothing, not even as a dry run.
package doctor
