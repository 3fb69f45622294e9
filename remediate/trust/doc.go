// Package trust says to which places flow logs may be restored. An attacker can make flow
// logs that deliver to a place of their own, and delete them: if they were restored, they would
// deliver to the attacker again. So a flow log that delivers where no protected one does is held,
// until a person approves the place (docs/decisions/held.md).
//
//  1. [Facts.Of] says what is known of the destination of a flow log that is seen for the first time.
//     From that, package incident decides whether the flow log is held.
//  2. [Approve] notes what a person approves, and names the flow logs that were held because of it.
//
// Both run in a transaction of their caller, through [Tx]. The package has no clock, starts no
// goroutine and calls no AWS. It must never take a destination for trusted because a flow log that
// is held delivers to it.
package trust
