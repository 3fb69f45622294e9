package alert

// How package incident names the states of an incident, and the source of a loss that a
// refresh found. A test holds these against its constants.
const (
	stateOpen     = "open"
	stateBlocked  = "blocked"
	stateRestored = "restored"
	stateVerified = "verified"
	stateClosed   = "closed"

	sourceDrift = "drift"
)

// states are in the order in which Tally has them.
var states = []string{stateOpen, stateBlocked, stateRestored, stateVerified, stateClosed}
