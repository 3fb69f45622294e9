// Package remediate does what is to be done about a deletion: it opens an
// incident, observes what AWS shows, decides, creates the flow log again from the
// snapshot, and verifies that it delivers.
//
// Remediator is what others call. Four types do the work, each for one scope:
//
//   - An intake (intake.go) brings to disk what the records of a message say.
//   - A restorer (restorer.go) does what is due about incidents.
//   - A refresher (refresher.go) compares the snapshot with AWS.
//   - A notifier (notifier.go) adds the alerts whose time has come.
//
// They share the transactions of their scope (scope_store.go), its client (client.go), and
// what it has in memory (memory.go).
//
// An incident takes this way:
//
//  1. An intake (deletion.go) or a refresher (drift.go) opens it. A deletion is alerted in
//     the same transaction.
//  2. The restorer takes what is due (reconcile.go) and asks AWS which flow logs the
//     resource has (observe.go).
//  3. Package incident decides, as a pure function of the incident, what the case and
//     that observation show, and the policy.
//  4. At most one call that changes something in AWS (create.go), and one transaction follow
//     (change.go): package answer reads what AWS said, and the case records what it means
//     (incident/answer.go).
//  5. Later an observation verifies the replacement. When all flow logs of one event are
//     done, the event is closed (event_alerts.go): package notify decides which alerts are
//     due.
//
// The same flow log always leads to the same create with the same ClientToken, so
// a repeat after a crash creates nothing twice (I4).
//
// Remediator.Start gives each scope a restorer, which has a goroutine while it works. Calls to
// AWS that a message began go on after its commit, four for each scope at most;
// Remediator.Wait waits for them.
//
// The package never deletes or changes a flow log, never creates what the snapshot
// did not show (I2), never creates before it has observed (I3), and no alert
// waits for AWS.
package remediate
