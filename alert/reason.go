package alert

import "cmp"

// These are package incident's names of the states of an incident, and of the source of a
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

// closedReasons and blockedReasons have the words for package incident's reasons. A test
// compares their keys with its constants.
var closedReasons = map[string]string{
	"resource_gone": "its resource is gone too",
	"replaced":      "whoever deleted it made another",
	"released":      "it was released: it may go",
	"superseded":    "its replacement was lost in turn, see that one",
	"still_there":   "AWS still has it",
	"exempt":        "exempt: not restored",
	"held":          "its destination is held: not restored",
	"alert_only":    "configured to alert only: not restored",
	"unknown":       "never seen in AWS, so there is nothing to restore it from",
}

// blockedBy says in words what prevents the restore of a blocked incident.
func blockedBy(reason string) string { return cmp.Or(blockedReasons[reason], reason) }

var blockedReasons = map[string]string{
	"permission":  "AWS refuses it to Flowkeeper's role",
	"destination": "its destination is missing or refuses",
	"role":        "its delivery role cannot be assumed",
	"token_used":  "its ClientToken was used before",
	"limit":       "the account's limit of flow logs is reached",
	"decoy":       "another flow log holds its place",
	"managed":     "a flow log of CloudWatch's telemetry rules holds its place",
	"invalid":     "AWS does not take its settings",
	"credentials": "AWS refuses the credentials, or they are not of its account",
	"account":     "AWS refuses the whole account",
	"refused":     "AWS refuses it",
}
