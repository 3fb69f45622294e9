package incident

import "strconv"

// What tests and logs call the values of each kind.
var (
	nextNames = []string{
		Requeue: "requeue", Close: "close", Adopt: "adopt", Create: "create",
		DecoyInTheWay: "decoy", Postpone: "hold", PostponeFlapping: "flapping", NextToken: "next token",
	}
	classNames = []string{
		Unclassified: "unclassified", Succeeded: "succeeded", TryAgain: "try again", RoleSlow: "role slow", NeedsPerson: "needs person",
		ResourceAbsent: "resource absent", AlreadyThere: "already there", TokenMismatch: "token mismatch", TagRefused: "tag refused",
	}
	actionNames = []string{0: "none", Ignore: "ignore", Alert: "alert", Wait: "wait", Restore: "restore"} // as in the configuration
	noteNames   = []string{
		NoteLineage: "lineage", NoteReopened: "reopened", NoteOverdue: "overdue", NoteKnown: "known",
		NoteStuck: "stuck", NoteNotDelivering: "not delivering", NoteNotTagged: "not tagged", NoteRequested: "requested",
	}
)

// BlockedReasons and ClosedReasons are all reasons for which an incident is blocked, or closed.
var (
	BlockedReasons = []Reason{Permission, Destination, Role, Limit, Decoy, TokenUsed, Managed, Invalid, Credentials, Account, Refused}
	ClosedReasons  = []Reason{ResourceGone, Replaced, Released, Superseded, StillThere, Exempt, Held, AlertOnly, Unknown}
)

// String is the decision in a word or two.
func (n Next) String() string { return nameIn(nextNames, int(n)) }

// String is the class in a word or two.
func (c Class) String() string { return nameIn(classNames, int(c)) }

// String is the action's name in the configuration.
func (a Action) String() string { return nameIn(actionNames, int(a)) }

// String is the kind in a word or two.
func (k NoteKind) String() string { return nameIn(noteNames, int(k)) }

// nameIn is the name of a value, or its number where it has none.
func nameIn(names []string, n int) string {
	if n < 0 || n >= len(names) {
		return strconv.Itoa(n)
	}
	return names[n]
}
