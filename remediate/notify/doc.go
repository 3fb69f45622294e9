// Package notify decides which alerts people get, and makes them. It holds pure functions
// over plain values: no context, clock, database, AWS client or logger.
//
// An alert is about one of three things: an event and its incidents (eventAlert), one
// record alone ([FindingAlert]), or a scope and rows of its snapshot ([ScopeAlert]). The
// other functions add what differs between the kinds of alerts. Package alert writes the
// title and the text when an alert is added to the outbox.
//
// A function whose name begins with After returns the event after what the rest of the name says, or a [NoteOutcome] that
// has it. If the name begins with With, the function returns the event with a time that is set or is sooner.
//
// A part of the pipeline that fails ([alert.Part]) has one alert when that begins, and one when it ends: both have its
// [OutageKey], and [OutageAfter] says what is to be noted in the commit that adds them.
//
// Package remediate loads the values, calls this package, and saves the results in the same
// transaction. This package must never read or write anything itself.
package notify
