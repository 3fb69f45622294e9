package alert

import "cmp"

// These are package incident's names for the states of an incident, and for the source of a
// loss that a refresh found. A test compares them with its constants.
const (
	stateOpen     = "open"
	stateBlocked  = "blocked"
	stateRestored = "restored"
	stateVerified = "verified"
	stateClosed   = "closed"

	sourceDrift = "drift"
)

// states are in the order in which Tally lists them.
var states = []string{stateOpen, stateBlocked, stateRestored, stateVerified, stateClosed}

// notDelivering and notTagged are the reasons why a restored flow log is not verified.
const (
	notDelivering = "not_delivering"
	notTagged     = "not_tagged"
)

// closedBecause says in words why an incident is closed.
func closedBecause(reason string) string { return cmp.Or(closedReasons[reason], reason) }

// reasonSuperseded is the reason of an incident whose replacement was lost, too. Its advice says which.
const reasonSuperseded = "superseded"

// closedReasons and blockedReasons have the words for package incident's reasons. A test
// compares their keys with its constants.
var closedReasons = map[string]string{
	"resource_gone":  "its resource is gone, too",
	"replaced":       "the principal that deleted it created another one",
	"released":       "it was released, so it may be deleted",
	reasonSuperseded: "its replacement was deleted, too: see the alert about that one",
	"still_there":    "AWS still has it",
	"exempt":         "it is not protected, or a rule allows the deletion: not restored",
	"held":           "its destination is held, because nobody has approved it: not restored",
	"alert_only":     "configured to alert only: not restored",
	"unknown":        "never seen in AWS, so Flowkeeper has no settings to restore",
}

// blockedBy says in words what prevents the restore of a blocked incident.
func blockedBy(reason string) string { return cmp.Or(blockedReasons[reason], reason) }

var blockedReasons = map[string]string{
	"permission":  "AWS denies Flowkeeper's role the permission",
	"destination": "its destination does not exist, or refuses delivery",
	"role":        "its delivery role cannot be assumed",
	"token_used":  "its ClientToken was used before",
	"limit":       "AWS's limit of flow logs is reached",
	"decoy":       "another flow log is in its place",
	"managed":     "a flow log of CloudWatch's telemetry rules is in its place",
	"invalid":     "AWS does not accept its settings",
	"credentials": "AWS refuses Flowkeeper's credentials, or they belong to another account",
	"account":     "AWS refuses all calls of the account",
	"refused":     "AWS refuses the restore",
}
