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
// collects what is to be saved in its [Tables], and what follows in its [Effects].
//
// The methods of the types transition and obstacle take one incident from a [State] to the next. Three changes are
// elsewhere: a report of a loss opens an incident (New, Incident.reopen), one that a copy or a file calls lost is closed
// once AWS shows the flow log (Incident.closedAlive), and a record that names the maker of a supposed decoy unblocks the
// incident (place.clearDecoys).
//
// Why a flow log is not back, or its incident is over, has these forms:
//
//	           what it is                           set by                          stored  read by
//	Reason     one of a few constants               what sets the State; verify,    yes     commands, alerts, metrics
//	                                                tagging.applyRefusal
//	Advice     what a person should do, or why the  what sets the Reason;           yes     commands, alerts
//	           incident was closed                  refusal.fail
//	LastError  why the last attempt failed          what applies an answer; obstacle yes    commands; Why
//	Stuck      the alert that it is blocked or      transition.noteStuck            yes     alerts, commands; Why
//	           held back
//	Cause      what keeps the flow log from coming  decide, Causes                  no      replay, commands; Why
//	           back, if AWS's answer does not
//	Why()      the words of the next alert          from the five above             no      alerts
//
// Package remediate loads and saves a case within one transaction, asks AWS and writes
// the alerts. This package must never do any of that.
package incident
