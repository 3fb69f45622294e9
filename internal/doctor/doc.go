// Package doctor finds out why Flowkeeper would not receive a deletion, not restore it, or not
// alert people.
//
//	machine.go         this machine: configuration, clock, disk, state file, daemon
//	state.go           what the state file says: round trips, refreshes, telemetry rules,
//	                   and what could be restored
//	subject.go         the scopes and accounts, and who we are in each; organization.go: which
//	                   of them the organisation has, and what to do where a role is missing
//	trail.go           the source: does a trail log the calls?
//	event_route.go     which rules lead to the queue; event_rule.go: do they send what matters?
//	log_files.go       can the log files of CloudTrail be read?
//	queue.go           the queue, its policy (internal/queuepolicy) and settings, the
//	                   dead-letter queue
//	restore.go         would restores be allowed, by dry runs? permissions.go: by IAM's
//	                   simulator, which simulate.go asks
//	alert_sinks.go     the people: where alerts of deletions go
//	who_may_delete.go  who may delete flow logs
//	lines.go           what people read of many results: those with one cause in one line
//
// The table of all checks is in checks.go: each is a method of the place where it is
// made, that is of machine, queue, subject (a scope) or account. [Doctor.Run] makes
// them, several at a time, and reports their results in the order in which an event
// travels. A question that several checks have is asked once.
//
// It judges only what can be known exactly: for policies and selectors of an unusual form
// it says which ones a person has to read. It asks AWS what AWS itself can judge (event
// patterns, permissions).
//
// It changes nothing: it receives no message, takes no lock, makes no file, and the
// only creates are dry runs. It deletes nothing, not even as a dry run.
package doctor
