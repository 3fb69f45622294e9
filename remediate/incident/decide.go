package incident

import (
	"slices"
	"time"

	"flowkeeper/inventory"
)

// Next is what is to be done about an incident.
type Next int

const (
	Requeue       Next = iota // nothing yet: observe again at Decision.At
	Close                     // it is over, for Decision.Reason
	Adopt                     // Decision.Found does the same: it is the replacement
	Create                    // call CreateFlowLogs
	DecoyInTheWay             // Decision.Found prevents the restore: a person is needed
	Hold                      // the flow log is absent, and is not to be created before Decision.At
	HoldFlapping              // as Hold, with an alert that it was restored too often
	NextToken                 // the ClientToken is spent: take a random one
)

// Decision is what Decide answers.
type Decision struct {
	Next   Next
	At     time.Time // of Requeue, Hold and HoldFlapping
	Reason string    // of Close
	Advice string    // of Close
	Found  Other     // of Adopt and DecoyInTheWay, and of Close where it was replaced
}

// Decide says what to do next about an open or blocked incident. It looks for reasons not to
// create, in this order:
//
//   - never seen, not known yet, not observed, alive, perhaps a decoy of what was lost with it
//   - not to be restored: released, not protected, ignored by a rule, alert only
//   - an equivalent is there: adopted at once after a drift, else after the wait of a rule
//   - waiting
//   - replaced, by whom a rule gives time to
//   - for the create itself: something is in its way, the token is spent, flapping
func Decide(i Incident, o Facts, p Policy, now time.Time) Decision {
	switch {
	case !i.Known && !o.InSnapshot && o.Complete:
		return Decision{Next: Close, Reason: Unknown, Advice: "Flowkeeper never saw this flow log: if it should be kept, recreate it by hand"}
	case !i.Known && !o.InSnapshot:
		return Decision{Next: Requeue, At: now.Add(15 * time.Second)}
	case !o.Covers(i):
		return Decision{Next: Requeue, At: now}
	case o.Alive:
		return decideAlive(i, p, now)
	}
	if o.MayBeDecoy && !i.Requested {
		if d, wait := awaitOtherLoss(i, p, now); wait {
			return d
		}
		o.Protected = false
	}
	if d, ok := notToRestore(i, o, p); ok {
		return deferClose(d, o, p, now)
	}
	other, there := equivalent(i, o, p)
	waiting := !i.Requested && now.Before(i.WaitUntil)
	switch {
	case there && (!waiting || i.Source == ByDrift): // a rule's wait is for the principal that deleted it; a drift's only for the record
		return Decision{Next: Adopt, Found: other}
	case waiting:
		return Decision{Next: Hold, At: i.WaitUntil}
	}
	if other, ok := replacedBy(i, o); ok {
		return deferClose(Decision{Next: Close, Reason: Replaced, Advice: "replaced by " + other.ID, Found: other}, o, p, now)
	}
	return decideCreate(i, o, p, now)
}

// deferClose holds back an end without a create while the observation may not show the
// lost flow log yet, because that is younger than AWS's delay: it would be forgotten.
func deferClose(d Decision, o Facts, p Policy, now time.Time) Decision {
	age := now.Sub(o.CreatedAt)
	if d.Next != Close || age >= p.Settle || age < -p.Settle { // so far ahead: the clock has gone back
		return d
	}
	return Decision{Next: Hold, At: now.Add(p.Settle - max(0, age))}
}

// awaitOtherLoss waits for the record of another loss on the resource, which tells whether the
// flow log was made before or after that, for Policy.Settle at most.
func awaitOtherLoss(i Incident, p Policy, now time.Time) (Decision, bool) {
	end := i.OpenedAt.Add(p.Settle)
	pause := min(max(now.Sub(i.OpenedAt), time.Second), 15*time.Second)
	return Decision{Next: Hold, At: Earlier(now.Add(pause), end)}, now.Before(end)
}

// decideAlive waits while AWS shows the lost flow log: after 1, 2, 4, 8, then
// every 15 s, until Policy.Settle has passed.
func decideAlive(i Incident, p Policy, now time.Time) Decision {
	since := i.AliveSince
	if since.IsZero() {
		since = now
	}
	end := since.Add(p.Settle)
	if !now.Before(end) {
		return Decision{Next: Close, Reason: StillThere, Advice: "AWS shows it alive: the record was wrong, forged or about something else"}
	}
	pause := 15 * time.Second
	if i.TimesAlive < 4 {
		pause = time.Second << i.TimesAlive
	}
	return Decision{Next: Requeue, At: Earlier(now.Add(pause), end)}
}

// notToRestore are the reasons not to restore, the strictest first. A person's request knows none.
func notToRestore(i Incident, o Facts, p Policy) (Decision, bool) {
	closed := func(reason, advice string) (Decision, bool) {
		return Decision{Next: Close, Reason: reason, Advice: advice}, true
	}
	switch {
	case i.Requested:
		return Decision{}, false
	case o.Released:
		return closed(Released, "an operator released it: `flowkeeper restore "+i.FlowLogID+"` puts it back")
	case o.InSnapshot && o.Held:
		return closed(Held, "its destination is held, as nobody has approved it: `flowkeeper restore "+i.FlowLogID+"` puts it back")
	case o.InSnapshot && !o.Protected:
		return closed(Exempt, "it was not protected: a decoy, or outside inventory.destinations")
	case i.Action == Ignore:
		return closed(Exempt, "a rule lets this principal delete flow logs")
	case p.AlertOnly:
		return closed(AlertOnly, "remediate.mode is alert: `flowkeeper restore "+i.FlowLogID+"` puts it back")
	case i.Action == Alert:
		return closed(AlertOnly, "`flowkeeper restore "+i.FlowLogID+"` puts it back")
	}
	return Decision{}, false
}

// equivalent finds one that may be adopted (I3). What is older than the lost
// one was gone before that could be made: only a stale read shows it.
func equivalent(i Incident, o Facts, p Policy) (Other, bool) {
	for _, f := range o.Others {
		if (f.CreatedAt.Before(o.CreatedAt) || madeEarlier(i, f.FlowLog, p.Settle)) && !o.AlreadyExists {
			continue
		}
		if f.Adoptable && inventory.Equivalent(i.Scope, i.Frozen, f.FlowLog) {
			return f, true
		}
	}
	return Other{}, false
}

// replacedBy finds what a wait rule's principal made on the resource within
// its wait, before or after the deletion, to a destination that was in use before
// that. One flow log excuses one loss. One that is lost itself, which only a stale observation
// shows, excuses none.
func replacedBy(i Incident, o Facts) (Other, bool) {
	if !i.WaitsForReplacement() || i.Actor == nil {
		return Other{}, false
	}
	by := i.Actor.Principal()
	for _, f := range o.Others {
		if by == "" || f.CreatedBy != by || !f.MayExcuse || !f.Adoptable {
			continue
		}
		inTime := f.CreatedAt.Sub(i.DeletedAt).Abs() <= i.Waited
		if inTime && !inventory.Equivalent(i.Scope, i.Frozen, f.FlowLog) {
			return f, true
		}
	}
	return Other{}, false
}

// decideCreate creates, unless the lineage flaps, or AWS has just said that
// something is in the way.
func decideCreate(i Incident, o Facts, p Policy, now time.Time) Decision {
	if o.AlreadyExists {
		if f, ok := inTheWayOf(i, o.Others, p); ok {
			return Decision{Next: DecoyInTheWay, Found: f}
		}
		return Decision{Next: Requeue, At: now.Add(2 * time.Second << min(max(i.Attempts-1, 0), 3))}
	}
	if !i.MismatchAt.IsZero() {
		return decideToken(i, o, p, now)
	}
	if at, ok := flapsUntil(i, o.Restores, p); ok && now.Before(at) {
		return Decision{Next: HoldFlapping, At: at}
	}
	return Decision{Next: Create}
}

// tokenDoubt is how long after IdempotentParameterMismatch an equivalent is looked for. A
// create of ours with that token may have succeeded without an answer, and AWS may not show
// it yet. A wait as long as Policy.Settle would let an attacker who uses up tokens win two minutes.
const tokenDoubt = 15 * time.Second

// decideToken looks for an equivalent for a while, and then takes the next ClientToken. If
// a random one was refused as well, it takes another only as often as blocked incidents
// are tried.
func decideToken(i Incident, o Facts, p Policy, now time.Time) Decision {
	looksUntil := i.MismatchAt.Add(min(tokenDoubt, p.Settle))
	next := looksUntil
	if i.RandomToken != "" {
		next = Later(next, i.MismatchAt.Add(blockedAttempts.Pause(i.Attempts)))
	}
	switch {
	case now.Before(looksUntil):
		return Decision{Next: Requeue, At: Earlier(now.Add(5*time.Second), looksUntil)}
	case now.Before(next):
		return Decision{Next: Requeue, At: next}
	case o.At.Before(next):
		return Decision{Next: Requeue, At: now.Add(time.Second)} // look once more, after all that time
	}
	return Decision{Next: NextToken}
}

// flapsUntil is when a lineage that was restored too often within the hour
// may be restored again. A person's request does not wait.
func flapsUntil(i Incident, restores []Incident, p Policy) (time.Time, bool) {
	if i.Requested || p.MaxRestores == 0 || len(restores) < p.MaxRestores {
		return time.Time{}, false
	}
	last := slices.MaxFunc(restores, func(a, b Incident) int { return a.RestoredAt.Compare(b.RestoredAt) })
	return last.RestoredAt.Add(p.RestoreInterval), true
}
