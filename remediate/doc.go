// Package remediate restores flow logs that were deleted: it opens an incident,
// observes what AWS shows, decides, creates the flow log again from the snapshot, and
// verifies that it delivers.
//
// Other packages call Remediator. Four types do the work, each for one scope:
//
//   - An intake (intake.go) stores what the records of a message say.
//   - A restorer (restorer.go) works on the incidents that are due.
//   - A refresher (refresher.go) compares the snapshot with AWS.
//   - A notifier (notifier.go) adds the alerts that are due.
//
// They share the transactions of their scope (scope_store.go), its client (client.go), and
// its memory (memory.go).
//
// The steps of an incident:
//
//  1. An intake (deletion.go) or a refresher (drift.go) opens it. A deletion is alerted in
//     the same transaction.
//  2. The restorer takes what is due (reconcile.go) and asks AWS which flow logs the
//     resource has (observe.go).
//  3. Package incident decides (plan.go). The decision is a pure function of the incident, the case,
//     the observation, and the policy.
//  4. At most one call changes something in AWS (create.go). Package answer reads AWS's
//     answer. Then, in one transaction (change.go), the case records what the answer means
//     (incident/answer.go).
//  5. Later an observation verifies the replacement. When all flow logs of one event are
//     done, the event is closed (event_alerts.go): package notify decides which alerts are
//     due.
//
// The same flow log always leads to the same create with the same ClientToken, so
// a repeat after a crash creates nothing twice (I4).
//
// Remediator.Start gives each scope a restorer, which has a goroutine while it works. An intake
// starts calls to AWS that may go on after the commit of its message, at most four at a time
// for each scope. Remediator.Wait waits for them.
//
// The package never deletes or changes a flow log, never creates what the snapshot
// did not show (I2), never creates before it has observed (I3), and no alert
// waits for AWS.
package remediate
