// Package doctor finds out why Flowkeeper would not receive a deletion, not restore
// it, or alert nobody.
//
//	machine.go      configuration, state file, credentials, clock, daemon, refresh
//	source.go       trail, rule, pattern.go: what the rule's pattern matches
//	queue.go        the queue; queue_policy.go: who may send to it, and receive
//	restore.go      dry runs; permissions.go and simulate.go: what IAM's simulator says
//	people.go       alert sinks, and who may delete flow logs
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
