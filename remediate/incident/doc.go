// Package incident decides what to do about a lost flow log. It holds plain values and
// pure functions: no context, clock, database, AWS client or logger.
//
// An [Incident] is opened by a [Record] of DeleteFlowLogs or by a refresh that does not
// find the flow log any more. The function decide takes the incident and the [Facts] about its
// resource, and answers a [Decision]: observe again, close, adopt what is there, or
// create. [CreateInput] is the one call that recreates the flow log. An [Event] groups
// the incidents of one record or one refresh, about which people get the same alerts.
//
// A [Case] holds what such decisions need, and has a method for each thing that happens: a
// record, a refresh, an [Observation], an [Answer] of AWS. Its [Rows] are changed by what AWS
// shows, [ByHand] is what people ask for, and [Sharing] plans calls for several incidents. It
// collects what is to be saved in its [Tables], and what follows in its [Effects]. How one
// incident goes from a [State] to the next is in the type transition.
//
// Package remediate loads and saves a case within one transaction, asks AWS and writes
// the alerts. This package must never do any of that.
package incident
