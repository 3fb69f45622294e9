// Package doctor finds out why Flowkeeper would not receive a deletion, not restore
// it, or alert nobody.
//
//	state_file.go      state file, disk; state.go: what is read from it
//	credentials.go     who we are, in each scope; machine.go: the clock
//	trail.go           does a trail log the calls?
//	event_route.go     which rules lead to the queue (event_bus.go); event_rule.go,
//	                   event_pattern.go: do they send what matters?
//	queue.go           the queue, queue_attributes.go its settings, dead_letters.go the
//	                   dead-letter queue
//	queue_policy.go    who may send to the queue, and receive (internal/queuepolicy)
//	round_trip.go      did the last rehearsal come back?
//	restore.go         would restores be allowed? dry_run.go: by AWS; simulate.go: by IAM's
//	                   simulator, which permissions.go and never_delete.go ask
//	alert_sinks.go     where alerts of deletions go
//	daemon.go          the daemon on this machine
//	snapshot.go        is the snapshot fresh, and what of it can be restored?
//	who_may_delete.go  who may delete flow logs
//
// The table of all checks is in checks.go: each is a method of the place where it is
// made, that is of machine, queue, subject (a scope) or account. [Doctor.Run] makes
// them, several at a time, and reports their results in the order in which an event
// travels. A question that several checks have is asked once.
//
// It judges only what can be known exactly: of policies and selectors of another form
// than the usual ones it says which to read. What AWS itself can judge (event
// patterns, permissions) AWS is asked.
//
// It changes nothing: it receives no message, takes no lock, makes no file, and the
// only creates are dry runs. It deletes nothing, not even as a dry run.
package doctor
