// Package rehearse finds out before an attack whether restores would work. A
// rehearsal is a dry run of CreateFlowLogs for one flow log of each kind of restore:
//
//	kinds of the snapshot -> observation and dry run -> answers -> what changed -> alerts
//
// The CloudTrail records of the dry runs come back through the queue as those of
// deletions do. If they stop coming, records of deletions may not come either, and people
// are alerted.
//
// The package creates nothing and changes no incident: [Restores] does what follows from
// an answer. It starts no goroutines.
package rehearse
