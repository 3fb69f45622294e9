// Package remediate does what is to be done about a deletion: it opens an
// incident, observes what AWS shows, decides, creates the flow log again from the
// snapshot, and verifies that it delivers.
//
// An incident takes this way:
//
//  1. A record (deletion.go) or a refresh (refresh.go) opens it, together with the
//     alert, in one transaction.
//  2. The scope's restorer takes what is due (step.go) and asks AWS which flow
//     logs the resource has.
//  3. Package incident decides, as a pure function of the incident, what the case and
//     that observation show, and the policy.
//  4. At most one call that changes something in AWS, and one transaction follow:
//     package answer reads what AWS said, and the case records what it means (case.go).
//  5. Later an observation verifies the replacement. When all flow logs of one
//     event are done, notify.go closes the event: package notify decides which
//     alerts are due.
//
// The same flow log always leads to the same create with the same ClientToken, so
// a repeat after a crash creates nothing twice (I4).
//
// internal/daemon runs Remediator.Run in one goroutine for each scope; the field
// comments in remediate.go say what belongs to it. Calls to AWS that a message
// began go on after its commit, four for each scope at most; Remediator.Wait waits
// for them.
//
// The package never deletes or changes a flow log, never creates what the snapshot
// did not show (I2), never creates before it has observed (I3), and no alert
// waits for AWS.
package remediate
