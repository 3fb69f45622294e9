// Package repeat bounds the alerts about calls that anybody can repeat without end, and
// that delete no flow log that Flowkeeper knows: attempts, tampering, deletions of flow
// logs that it never saw.
//
//  1. [CallOf] says which calls count as repetitions of a finding's call.
//  2. [AlertOrHold] puts its alert into the outbox, or holds it in a [Burst].
//  3. [EndWindow] alerts of what a burst held, five minutes later.
//
// It also remembers what each principal did, so that an alert says what its actor did
// within the hour before ([RecordCall]).
//
// All run in a transaction of their caller, through [Tx]. The package must never hold a
// call that is graver than every call that was alerted (I2), and never lose a call that it
// holds: the alert that sums up counts each (I12).
package repeat
