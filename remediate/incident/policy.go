package incident

import (
	"slices"
	"strings"
	"time"

	"flowkeeper/alert"
	"flowkeeper/inventory"
)

// Policy is what the configuration says about deletions. The zero value restores
// everything at once, but for what AWS's telemetry rules delete: see [TelemetryWait].
type Policy struct {
	AlertOnly         bool          // mode alert: nothing is created
	DriftAlerts       bool          // on_drift alert: what a refresh finds gone is not restored
	DriftWait         time.Duration // how long a loss by drift waits for its record: see driftWait
	ConsistencyWindow time.Duration // how long AWS may go on showing what was there before: the key inventory.settle
	VerifyAfter       time.Duration // how long a replacement must be fine until it is verified
	MaxRestores       int           // of one lineage within FlappingWindow, then it flaps; zero: no limit
	RestoreInterval   time.Duration // between the restores of a lineage that flaps
	Rules             []Rule        // the first that matches counts
	TokenKey          TokenKey      // that ClientTokens are made with
	LateRecords       bool          // records may come by log files, minutes later: alerts of a drift say so
	Destinations      []string      // patterns of those that may be protected; none: all
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
		if !isAccount(account) { // a record's word: it may not bring a * into the pattern
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

// mayLack reports whether what AWS shows at a time may lack a flow log that was created at
// another, because that is younger than AWS's own delay. If it seems to be created far ahead,
// the clock has gone back, and it is not young.
func (p Policy) mayLack(created, at time.Time) bool {
	age := at.Sub(created)
	return age < p.ConsistencyWindow && age >= -p.ConsistencyWindow
}

// driftWait is how long the restore of a flow log that a refresh found gone waits for the
// record that says who deleted it: only where that record could excuse the loss. lostAt is
// when the flow log was seen last. Of one that was released then, the record says whether
// it still was; that one is not restored meanwhile.
func (p Policy) driftWait(row inventory.Row, lostAt time.Time) time.Duration {
	loosens := func(r Rule) bool { return r.Action != Restore }
	_, managed := row.Tags[TelemetryTag]
	if managed || row.Released(lostAt) || slices.ContainsFunc(p.Rules, loosens) {
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

// lists reports whether inventory.destinations names a destination, so that it is known to
// be ours.
func (p Policy) lists(destination string) bool {
	return len(p.Destinations) > 0 && Protects(p.Destinations, destination)
}

// Misjudges reports whether a row is not as inventory.destinations says now: that was
// different when the row was written.
func (p Policy) Misjudges(r inventory.Row) bool {
	to := r.Destination(r.Scope)
	return r.Excluded == Protects(p.Destinations, to) || r.Held && p.lists(to)
}

// Protects reports whether flow logs to a destination are protected: where there are
// patterns (inventory.destinations), one of them must match.
func Protects(patterns []string, destination string) bool {
	return len(patterns) == 0 || slices.ContainsFunc(patterns, func(p string) bool { return Match(p, destination) })
}
