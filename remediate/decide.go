package remediate

import (
	"slices"
	"strings"
	"time"

	"flowkeeper/inventory"
)

// Policy is what the configuration says of deletions.
type Policy struct {
	AlertOnly       bool // mode alert: no create at all
	DriftAlerts     bool // on_drift alert
	DriftWait       time.Duration
	Settle          time.Duration
	VerifyAfter     time.Duration
	MaxRestores     int
	RestoreInterval time.Duration
	Rules           []Rule
	Destinations    []string // patterns of those that may be protected; none: all
	Rehearsers      []string // ARNs of other Flowkeepers' principals: their rehearsals count, too
}

// Rule treats the deletions of the principals that match its pattern
// otherwise. In the pattern `*` stands for any text, but never for an account,
// and OwnAccount for the account that the record is about.
type Rule struct {
	Principal string
	Action    Action
	Wait      time.Duration
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

func isAccount(s string) bool {
	return len(s) == 12 && strings.Trim(s, "0123456789") == ""
}

// rule for a principal that a record of the account names: the first that
// matches, else restore.
func (p Policy) rule(account, principal string) Rule {
	for _, r := range p.Rules {
		if r.Matches(account, principal) {
			return r
		}
	}
	return Rule{Action: Restore}
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

// sight is what a look and the snapshot say about one incident.
type sight struct {
	alive    bool                // AWS shows the lost ID
	others   []inventory.FlowLog // other flow logs on the resource
	adoptive func(id string) bool
	creator  func(id string) string // principal that made it, where known
	excuses  func(id string) bool   // it excuses no other loss, and delivers to where others did before the wait
	restores []Incident             // of the lineage within the last hour
	released bool
	row      bool      // the snapshot has a row
	made     time.Time // when the lost one was created
	guarded  bool      // and it is protected
	listed   bool      // the scope has had its first refresh
	asked    bool      // this is about a create that answered FlowLogAlreadyExists
}

// deed is what is to be done about an incident.
type deed int

const (
	again     deed = iota // nothing yet: look again at `at`
	closing               // over, for `reason`
	adopting              // `found` is there already
	creating              // call CreateFlowLogs
	decoyed               // `found` is in the way
	hold                  // absent, but not to be created before `at`
	flap                  // as hold, and tell that it flaps
	nextToken             // the token is spent: next generation
)

// verdict of decide.
type verdict struct {
	deed   deed
	at     time.Time
	reason string
	advice string
	found  inventory.FlowLog // what is there: adopted, in the way, or the reason to close
}

// decide is what to do next about an open or blocked incident, as a pure function.
func decide(i Incident, s sight, p Policy, now time.Time) verdict {
	switch {
	case !i.Known && !s.row && s.listed:
		return verdict{deed: closing, reason: Unknown, advice: "Flowkeeper never saw this flow log: if it should be kept, recreate it by hand"}
	case !i.Known && !s.row:
		return verdict{deed: again, at: now.Add(15 * time.Second)}
	case s.alive:
		return decideAlive(i, p, now)
	}
	f, there := equivalent(i, s)
	if v, ok := excused(i, s, p, now); ok && (v.deed != hold || i.Source != ByDrift || !there) {
		return sure(v, s, p, now)
	}
	if there {
		return verdict{deed: adopting, found: f}
	}
	if f, ok := replacedBy(i, s); ok {
		return sure(verdict{deed: closing, reason: Replaced, advice: "replaced by " + f.ID, found: f}, s, p, now)
	}
	return decideCreate(i, s, p, now)
}

// sure lets nothing end without a create on a look that may not show the flow
// log yet, because it is younger than AWS's delay: that one would be forgotten.
func sure(v verdict, s sight, p Policy, now time.Time) verdict {
	age := now.Sub(s.made)
	if v.deed != closing || age >= p.Settle || age < -p.Settle { // so far ahead: the clock has gone back
		return v
	}
	return verdict{deed: hold, at: now.Add(p.Settle - max(0, age))}
}

// decideAlive waits while AWS shows the lost flow log: after 1, 2, 4, 8, then
// every 15 s, until settle has passed.
func decideAlive(i Incident, p Policy, now time.Time) verdict {
	since := i.AliveSince
	if since.IsZero() {
		since = now
	}
	end := since.Add(p.Settle)
	if !now.Before(end) {
		return verdict{deed: closing, reason: StillThere, advice: "AWS shows it alive: the record was wrong, forged or about something else"}
	}
	pause := 15 * time.Second
	if i.Looks < 4 {
		pause = time.Second << i.Looks
	}
	return verdict{deed: again, at: earlier(now.Add(pause), end)}
}

// excused are the reasons not to restore, strictest first asked.
func excused(i Incident, s sight, p Policy, now time.Time) (verdict, bool) {
	closed := func(reason, advice string) (verdict, bool) {
		return verdict{deed: closing, reason: reason, advice: advice}, true
	}
	switch {
	case i.Requested:
		return verdict{}, false
	case s.released:
		return closed(Released, "an operator released it: `flowkeeper restore "+i.FlowLogID+"` puts it back")
	case s.row && !s.guarded:
		return closed(Exempt, "it was not protected: a decoy, or outside inventory.destinations")
	case i.Action == Ignore:
		return closed(Exempt, "a rule lets this principal delete flow logs")
	case p.AlertOnly:
		return closed(AlertOnly, "remediate.mode is alert: `flowkeeper restore "+i.FlowLogID+"` puts it back")
	case i.Action == Alert:
		return closed(AlertOnly, "`flowkeeper restore "+i.FlowLogID+"` puts it back")
	case now.Before(i.WaitUntil):
		return verdict{deed: hold, at: i.WaitUntil}, true
	}
	return verdict{}, false
}

// equivalent finds one that may be adopted (I3). What is older than the lost
// one was gone before that could be made: only a stale look shows it.
func equivalent(i Incident, s sight) (inventory.FlowLog, bool) {
	for _, f := range s.others {
		if f.CreatedAt.Before(s.made) && !s.asked {
			continue
		}
		if inventory.Equivalent(i.Scope, i.Frozen, f) && s.adoptive(f.ID) {
			return f, true
		}
	}
	return inventory.FlowLog{}, false
}

// replacedBy finds what a wait rule's principal made on the resource within
// its wait, before or after the deletion, to a destination that was in use before
// that. One flow log excuses one loss.
func replacedBy(i Incident, s sight) (inventory.FlowLog, bool) {
	if i.Action != Wait || i.Waited == 0 || i.Actor == nil {
		return inventory.FlowLog{}, false
	}
	for _, f := range s.others {
		by := s.creator(f.ID)
		if by == "" || by != principal(i.Actor) || inventory.Equivalent(i.Scope, i.Frozen, f) || !s.excuses(f.ID) {
			continue
		}
		if d := f.CreatedAt.Sub(i.DeletedAt); d.Abs() <= i.Waited {
			return f, true
		}
	}
	return inventory.FlowLog{}, false
}

// decideCreate creates, unless the lineage flaps, or AWS has just said that
// something is in the way.
func decideCreate(i Incident, s sight, p Policy, now time.Time) verdict {
	if s.asked {
		for _, f := range s.others {
			if inventory.SameTarget(i.Scope, i.Frozen, f.Settings) && !inventory.Equivalent(i.Scope, i.Frozen, f) {
				return verdict{deed: decoyed, found: f}
			}
		}
		return verdict{deed: again, at: now.Add(2 * time.Second << min(max(i.Attempts-1, 0), 3))}
	}
	if !i.MismatchAt.IsZero() {
		if now.Before(i.MismatchAt.Add(p.Settle)) {
			return verdict{deed: again, at: earlier(now.Add(5*time.Second), i.MismatchAt.Add(p.Settle))}
		}
		return verdict{deed: nextToken}
	}
	if at, ok := flapsUntil(i, s.restores, p); ok && now.Before(at) {
		return verdict{deed: flap, at: at}
	}
	return verdict{deed: creating}
}

// flapsUntil is when a lineage that was restored too often within the hour
// may be restored again. A person's request does not wait.
func flapsUntil(i Incident, restores []Incident, p Policy) (time.Time, bool) {
	if i.Requested || len(restores) < p.MaxRestores {
		return time.Time{}, false
	}
	last := slices.MaxFunc(restores, func(a, b Incident) int { return a.RestoredAt.Compare(b.RestoredAt) })
	return last.RestoredAt.Add(p.RestoreInterval), true
}

func earlier(a, b time.Time) time.Time {
	if b.Before(a) {
		return b
	}
	return a
}

// IsDecoy reports whether a flow log first seen now stands in the place of a
// protected one, and does not do the same. AWS allows no two there: the
// protected one is lost, whether or not anything has told of it yet.
func IsDecoy(f inventory.FlowLog, lost []Incident, live []inventory.Row) bool {
	other := func(s inventory.Settings) bool {
		return inventory.SameTarget(f.Scope, s, f.Settings) && !inventory.Equivalent(f.Scope, s, f)
	}
	for _, i := range lost {
		if i.Known && other(i.Frozen) {
			return true
		}
	}
	for _, r := range live {
		if r.Protected && !r.Imported && other(r.Settings) {
			return true
		}
	}
	return false
}
