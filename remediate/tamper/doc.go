// Package tamper alerts of calls that change what flow logs, or Flowkeeper, depend on:
// destinations, delivery roles, keys, trails, rules, the queue.
//
//  1. [TargetOf] names what a record says was changed.
//  2. [ImpactOf] says what depends on that here: it loads who uses it, and pure functions
//     count them (impact.go). Each [Dependency] says what Flowkeeper itself needs.
//  3. [Handler.Alert] alerts where anything does, at once or summed up (package repeat).
//
// An account deletes log groups all day: the package must never alert of a call on what
// nothing here depends on. It never calls AWS, and opens no incident.
package tamper
