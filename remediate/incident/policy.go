package incident

import (
	"slices"
	"strings"
	"time"

	"flowkeeper/alert"
	"flowkeeper/inventory"
)

// Policy is what the configuration says about deletions. The zero value restores
// everything at once, except what AWS's telemetry rules delete: see [TelemetryWait].
type Policy struct {
	AlertOnly         bool          // mode alert: nothing is created
	DriftAlerts       bool          // on_drift alert: what a refresh finds gone is not restored
	DriftWait         time.Duration // how long a loss by drift waits for its record: see driftWait
	ConsistencyWindow time.Duration // how long AWS may go on showing an earlier state: the key inventory.settle
	VerifyAfter       time.Duration // how long a replacement must be fine until it is verified
	MaxRestores       int           // of one lineage within FlappingWindow, then it flaps; zero: no limit
	RestoreInterval   time.Duration // between the restores of a lineage that flaps
	Rules             []Rule        // the first that matches counts
	TokenKey          TokenKey      // ClientTokens are made with it
	LateRecords       bool          // records may come by log files, minutes later: alerts of a drift say so
	Destinations      []string      // patterns: only flow logs to these destinations may be protected; none: all may
}

// Rule says what the deletions of some principals ask for. In the pattern `*` stands for
// any text, but never for an account, and OwnAccount for the account that the record is
// about.
type Rule struct {
	Principal string // pattern of ARNs
	Action    Action
	Wait      time.Duration // of action Wait
	Level     alert.Level   // of the alert of a deletion; empty: that of its detection
}

// OwnAccount in a rule's principal stands for the record's own account
// (recipientAccountId): a principal of any other account does not match.
const OwnAccount = "{account}"

// Matches reports whether the rule is for a principal, as a record of the account
// names it.
func (r Rule) Matches(account, principal string) bool {
	pattern := r.Principal
	if strings.Contains(pattern, OwnAccount) {
		if !isAccount(account) { // it is from a record, which must not bring a * into the pattern
			return false
		}
		pattern = strings.ReplaceAll(pattern, OwnAccount, account)
	}
	return principal != "" && Match(pattern, principal)
}

// isAccount reports whether a text is an AWS account ID.
func isAccount(s string) bool {
	return len(s) == 12 && strings.Trim(s, "0123456789") == ""
}

// RuleFor is the rule for a principal that a record of the account names: the first that
// matches, or else the built-in one for the role of AWS's telemetry rules, or else to
// restore.
func (p Policy) RuleFor(account, principal string) Rule {
	for _, r := range p.Rules {
		if r.Matches(account, principal) {
			return r
		}
	}
	if isTelemetryRole(account, principal) {
		return telemetryRule
	}
	return Rule{Action: Restore}
}

// mayLack reports whether what AWS answered at a time may lack a flow log, because that was created
// less than the ConsistencyWindow before. If it seems to be created more than that later, the clock
// has gone back, and the flow log is not young.
func (p Policy) mayLack(created, at time.Time) bool {
	age := at.Sub(created)
	return age < p.ConsistencyWindow && age >= -p.ConsistencyWindow
}

// driftWait is how long the restore of a flow log that a refresh found gone waits for the
// record that says who deleted it: only where that record could excuse the loss. lostAt is
// when the flow log was seen last. If it was released then, only the record says whether it still
// was when it was deleted; until the record comes, it is not restored.
func (p Policy) driftWait(row inventory.Row, lostAt time.Time) time.Duration {
	isLenient := func(r Rule) bool { return r.Action != Restore }
	_, managed := row.Tags[TelemetryTag]
	if managed || row.Released(lostAt) || slices.ContainsFunc(p.Rules, isLenient) {
		return p.DriftWait
	}
	return 0
}

// Match compares a text with a pattern in which * stands for any text.
func Match(pattern, s string) bool {
	first, rest, star := strings.Cut(pattern, "*")
	if !star {
		return pattern == s
	}
	if !strings.HasPrefix(s, first) {
		return false
	}
	s = s[len(first):]
	for {
		part, more, star := strings.Cut(rest, "*")
		if !star {
			return strings.HasSuffix(s, part)
		}
		i := strings.Index(s, part)
		if i < 0 {
			return false
		}
		s, rest = s[i+len(part):], more
	}
}

// lists reports whether inventory.destinations names a destination: then the operator knows it.
func (p Policy) lists(destination string) bool {
	return len(p.Destinations) > 0 && Protects(p.Destinations, destination)
}

// Misjudges reports whether a row contradicts inventory.destinations, because that key has
// changed since the row was written.
func (p Policy) Misjudges(r inventory.Row) bool {
	to := r.Destination(r.Scope)
	return r.Excluded == Protects(p.Destinations, to) || r.Held && p.lists(to)
}

// Protects reports whether flow logs to a destination are protected: where there are
// patterns (inventory.destinations), one of them must match.
func Protects(patterns []string, destination string) bool {
	return len(patterns) == 0 || slices.ContainsFunc(patterns, func(p string) bool { return Match(p, destination) })
}
