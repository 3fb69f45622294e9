package incident

import "strconv"

var actionNames = []string{0: "none", Ignore: "ignore", Alert: "alert", Wait: "wait", Restore: "restore"} // as in the configuration

// BlockedReasons and ClosedReasons are all reasons for which an incident is blocked, or closed.
var (
	BlockedReasons = []Reason{Permission, Destination, Role, Limit, Decoy, TokenUsed, Managed, Invalid, Credentials, Account, Refused}
	ClosedReasons  = []Reason{ResourceGone, Replaced, Released, Superseded, StillThere, Exempt, Held, AlertOnly, Unknown}
)

// String is the action's name in the configuration; of another value, its number.
func (a Action) String() string {
	if a < 0 || int(a) >= len(actionNames) {
		return strconv.Itoa(int(a))
	}
	return actionNames[a]
}
