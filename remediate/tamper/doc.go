// Package tamper alerts of calls that change what flow logs, or Flowkeeper, depend on:
// destinations, delivery roles, keys, trails, rules, the queue.
//
//  1. [TargetOf] names the resource that a record says was changed.
//  2. [ImpactOf] says what depends on that resource: it loads the flow logs that use it, and
//     pure functions count them (impact.go). A [Dependency] is what Flowkeeper itself needs.
//  3. [Handler.Alert] alerts if anything depends on it, at once or summed up (package repeat).
//
// Many accounts delete log groups all day: the package must never alert of a change to a
// resource on which no flow log and no part of Flowkeeper depends. It never calls AWS, and
// opens no incident.
package tamper
