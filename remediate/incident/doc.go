// Package incident decides what to do about a lost flow log. It holds plain values and
// pure functions: no context, clock, database, AWS client or logger.
//
// An [Incident] is opened by a [Record] of DeleteFlowLogs or by a refresh that does not
// find the flow log any more. [Decide] takes the incident and an [Observation] of its
// resource, and answers a [Decision]: observe again, close, adopt what is there, or
// create. [CreateInput] is the one call that recreates the flow log. An [Event] groups
// the incidents of one record or one refresh, of which people hear together.
//
// Package remediate loads and saves these values, asks AWS and writes the alerts. This
// package must never do any of that.
package incident
