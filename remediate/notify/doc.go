// Package notify decides which alerts people get, and makes them. It holds pure functions
// over plain values: no context, clock, database, AWS client or logger.
//
// An alert is about one of three things: an event and its incidents (eventAlert), one
// record alone ([FindingAlert]), or a scope and rows of its snapshot ([ScopeAlert]). The
// functions beside these say what is particular to one kind of alert. Texts are not
// written here: package alert does that, when an alert is added to the outbox.
//
// Package remediate loads the values, asks this package, and saves what it answers in the
// same transaction. This package must never read or write anything itself.
package notify
