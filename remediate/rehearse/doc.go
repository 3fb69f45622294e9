// Package rehearse finds out before an attack whether restores would work. A
// rehearsal is a dry run of CreateFlowLogs for one flow log of each kind of restore:
//
//	kinds of the snapshot -> observation and dry run -> answers -> what changed -> alerts
//
// The CloudTrail records of the dry runs come back through the queue as those of
// deletions do. Where they stop coming, so may those of deletions, and people are
// alerted.
//
// The package creates nothing and changes no incident: what depends on an answer is
// behind [Restores]. It starts no goroutines.
package rehearse
