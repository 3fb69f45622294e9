package incident

import (
	"slices"
	"time"

	"flowkeeper/internal/retry"
)

// Next is what is to be done about an incident.
type Next string

const (
	Requeue          Next = "requeue"    // nothing yet: observe again at Decision.At
	Close            Next = "close"      // it is over, for Decision.Reason
	Adopt            Next = "adopt"      // Decision.Found does the same: it is the replacement
	Create           Next = "create"     // call CreateFlowLogs
	DecoyInTheWay    Next = "decoy"      // Decision.Found prevents the restore: a person is needed
	Postpone         Next = "hold"       // the flow log is absent, and is not to be created before Decision.At
	PostponeFlapping Next = "flapping"   // as Postpone, with an alert that it was restored too often
	NextToken        Next = "next token" // the ClientToken is spent: take a random one
)

// Decision is what decide answers.
type Decision struct {
	Next   Next
	At     time.Time // of Requeue, Postpone and PostponeFlapping
	Reason Reason    // of Close
	Advice string    // of Close
	Found  Other     // of Adopt and DecoyInTheWay, and of Close where it was replaced
	// Cause is what keeps the flow log from coming back; empty: nothing does, AWS has not been asked yet,
	// or AWS's answer to a create does.
	Cause Cause
}

// decide says what to do next about an open or blocked incident: the answer of the first check
// that applies, or else to create.
func decide(i Incident, facts Facts, p Policy, now time.Time) Decision {
	s := situation{i, facts, p, now}
	for _, applies := range checks {
		if d, ok := applies(s); ok {
			return d
		}
	}
	return Decision{Next: Create}
}

// situation is what decide decides about.
type situation struct {
	i     Incident
	facts Facts
	p     Policy
	now   time.Time
}

// no is the answer of a check that does not apply.
func no() (Decision, bool) { return Decision{}, false }

// observed is when AWS was asked; the clock may have gone back since.
func (s situation) observed() time.Time { return Earlier(s.facts.At, s.now) }

// checks look for reasons not to create, in this order. Each reports whether it applies.
var checks = [...]func(situation) (Decision, bool){
	// Is it lost at all?
	neverSeen, notKnownYet, notObserved, stillThere, perhapsDecoy,
	// Is it to be restored?
	wasReleased, isHeld, notProtected, ignoredByRule, alertOnlyByMode, alertOnlyByRule,
	// Is it, or will it be, replaced without us?
	equivalentThere, waitingByRule, replacedByRule,
	// May it be created now?
	somethingInTheWay, tokenSpent, flapping,
}

// Pauses before AWS is asked again: while it shows the lost flow log, and while it says that a flow log
// is there which it does not show.
var (
	aliveObservations  = retry.Backoff{First: time.Second, Most: 15 * time.Second}
	hiddenObservations = retry.Backoff{First: 2 * time.Second, Most: 16 * time.Second}
)

func neverSeen(s situation) (Decision, bool) {
	if s.i.Known || s.facts.InSnapshot || !s.facts.Complete {
		return no()
	}
	return Decision{Next: Close, Reason: Unknown, Cause: s.unseen(), Advice: "Flowkeeper never saw this flow log: if it should be kept, recreate it by hand"}, true
}

// notKnownYet: the scope's first complete refresh may bring the flow log into the snapshot.
func notKnownYet(s situation) (Decision, bool) {
	if s.i.Known || s.facts.InSnapshot {
		return no()
	}
	return Decision{Next: Requeue, At: s.now.Add(15 * time.Second), Cause: s.unseen()}, true
}

func notObserved(s situation) (Decision, bool) {
	if s.facts.covers(s.i) {
		return no()
	}
	return Decision{Next: Requeue, At: s.now}, true
}

// stillThere waits while AWS shows the lost flow log. If AWS still shows it when asked after
// Policy.ConsistencyWindow, the incident is closed.
func stillThere(s situation) (Decision, bool) {
	if !s.facts.Alive {
		return no()
	}
	since := s.i.AliveSince
	if since.IsZero() {
		since = s.now
	}
	end := since.Add(s.p.ConsistencyWindow)
	if !s.observed().Before(end) {
		return Decision{Next: Close, Reason: StillThere, Cause: StillShown, Advice: "AWS shows it alive: the record was wrong, forged or about something else"}, true
	}
	return Decision{Next: Requeue, At: Earlier(s.now.Add(aliveObservations.Pause(s.i.TimesAlive)), end), Cause: StillShown}, true
}

// perhapsDecoy waits until AWS is asked after Policy.ConsistencyWindow: by then, the record of another
// loss on the resource may show that the flow log was made before that loss. If none does, the flow log
// counts as unprotected.
func perhapsDecoy(s situation) (Decision, bool) {
	end := s.i.OpenedAt.Add(s.p.ConsistencyWindow)
	if !s.facts.MayBeDecoy || s.i.Requested || !s.observed().Before(end) {
		return no()
	}
	pause := min(max(s.now.Sub(s.i.OpenedAt), time.Second), 15*time.Second)
	// The end may be over by now, and the caller may use the same observation for a moment.
	at := Earlier(s.now.Add(pause), Later(end, s.now.Add(time.Second)))
	return Decision{Next: Postpone, At: at, Cause: PerhapsDecoy}, true
}

func wasReleased(s situation) (Decision, bool) {
	if !s.facts.Released || s.i.Requested {
		return no()
	}
	return s.notRestored(Released, WasReleased, "an operator released it: "+s.putsBack()), true
}

func isHeld(s situation) (Decision, bool) {
	if !s.facts.Held || s.i.Requested {
		return no()
	}
	return s.notRestored(Held, NotApproved, "its destination is held, as nobody has approved it: "+s.putsBack()), true
}

func notProtected(s situation) (Decision, bool) {
	if !s.facts.InSnapshot || !s.facts.unprotected() || s.i.Requested {
		return no()
	}
	return s.notRestored(Exempt, NotProtected, "it was not protected: a decoy, or outside inventory.destinations"), true
}

func ignoredByRule(s situation) (Decision, bool) {
	if s.i.Action != Ignore || s.i.Requested {
		return no()
	}
	return s.notRestored(Exempt, RuleIgnores, "a rule lets this principal delete flow logs"), true
}

func alertOnlyByMode(s situation) (Decision, bool) {
	if !s.p.AlertOnly || s.i.Requested {
		return no()
	}
	return s.notRestored(AlertOnly, ModeAlerts, "remediate.mode is alert: "+s.putsBack()), true
}

func alertOnlyByRule(s situation) (Decision, bool) {
	if s.i.Action != Alert || s.i.Requested {
		return no()
	}
	return s.notRestored(AlertOnly, RuleAlerts, s.putsBack()), true
}

// equivalentThere adopts a flow log that does the same, unless a rule gives the caller time to replace
// the lost one. After a drift the wait is only for the record, so it adopts at once.
func equivalentThere(s situation) (Decision, bool) {
	other, there := s.equivalent()
	if !there || s.waits() && s.i.Source != ByDrift {
		return no()
	}
	return Decision{Next: Adopt, Found: other}, true
}

func waitingByRule(s situation) (Decision, bool) {
	if !s.waits() {
		return no()
	}
	return Decision{Next: Postpone, At: s.i.WaitUntil, Cause: awaits(s.i)}, true
}

func replacedByRule(s situation) (Decision, bool) {
	other, ok := s.replacedBy()
	if !ok {
		return no()
	}
	d := s.notRestored(Replaced, WasReplaced, "replaced by "+other.ID)
	if d.Next == Close {
		d.Found = other
	}
	return d, true
}

// somethingInTheWay: AWS has just answered FlowLogAlreadyExists, and may not show that flow log yet.
func somethingInTheWay(s situation) (Decision, bool) {
	if !s.facts.AlreadyExists {
		return no()
	}
	if f, ok := s.decoyInTheWay(); ok {
		return Decision{Next: DecoyInTheWay, Found: f}, true
	}
	pause := hiddenObservations.Pause(s.i.Attempts - 1)
	if s.refusedForLong() {
		pause = time.Minute
	}
	return Decision{Next: Requeue, At: s.now.Add(pause)}, true
}

// tokenDoubt is how long after IdempotentParameterMismatch an equivalent is looked for. A
// create of ours with that token may have succeeded without an answer, and AWS may not show
// its flow log yet. A wait as long as Policy.ConsistencyWindow would let an attacker who uses up tokens win two minutes.
const tokenDoubt = 15 * time.Second

// tokenSpent looks for an equivalent for a while, and then takes the next ClientToken. If
// a random one was refused as well, it takes another only as often as blocked incidents
// are tried.
func tokenSpent(s situation) (Decision, bool) {
	if s.i.MismatchAt.IsZero() {
		return no()
	}
	observeUntil := s.i.MismatchAt.Add(min(tokenDoubt, s.p.ConsistencyWindow))
	next := observeUntil
	if s.i.RandomToken != "" {
		next = Later(next, s.i.MismatchAt.Add(blockedAttempts.Pause(s.i.Attempts)))
	}
	switch {
	case s.now.Before(observeUntil):
		return Decision{Next: Requeue, At: Earlier(s.now.Add(5*time.Second), observeUntil)}, true
	case s.now.Before(next):
		return Decision{Next: Requeue, At: next}, true
	case s.facts.At.Before(next):
		return Decision{Next: Requeue, At: s.now.Add(time.Second)}, true // observe once more, after all that time
	}
	return Decision{Next: NextToken}, true
}

// flapping: its lineage was restored too often within the hour. A person's request does not wait.
func flapping(s situation) (Decision, bool) {
	if s.i.Requested || s.p.MaxRestores == 0 || len(s.facts.Restores) < s.p.MaxRestores {
		return no()
	}
	last := slices.MaxFunc(s.facts.Restores, func(a, b Incident) int { return a.RestoredAt.Compare(b.RestoredAt) })
	at := last.RestoredAt.Add(s.p.RestoreInterval)
	if !s.now.Before(at) {
		return no()
	}
	return Decision{Next: PostponeFlapping, At: at, Cause: HeldBack}, true
}

// waits reports whether a rule, or the wait for a record, gives time before a restore. A
// person's request does not wait.
func (s situation) waits() bool { return !s.i.Requested && s.now.Before(s.i.WaitUntil) }

// unseen is the cause of a flow log that AWS has never shown.
func (s situation) unseen() Cause {
	if s.facts.Imported {
		return ImportedOnly
	}
	return NotSeen
}

func (s situation) putsBack() string {
	return "`flowkeeper restore " + s.i.FlowLogID + "` puts it back"
}

// notRestored closes the incident without a create. If the lost flow log is so young that AWS may not show it yet, it
// waits first: the flow log may exist, and nothing would look for it again.
// A replacement that an unanswered shared call has made is adopted instead: it is there, but lacks its
// own tags, and nothing else adds them (I2).
func (s situation) notRestored(reason Reason, cause Cause, advice string) Decision {
	observed := s.observed()
	if call := s.i.Call; call != nil {
		if other, there := s.equivalent(); there && isRestored(other.FlowLog) {
			return Decision{Next: Adopt, Found: other}
		}
		clockWentBack := call.At.After(s.now.Add(s.p.ConsistencyWindow)) // so the call is older than it seems
		if !clockWentBack && call.showsBy(s.p).After(observed) {
			return Decision{Next: Postpone, At: call.observeAt(s.p, s.now), Cause: cause}
		}
	}
	if !s.p.mayLack(s.facts.CreatedAt, observed) {
		return Decision{Next: Close, Reason: reason, Advice: advice, Cause: cause}
	}
	age := max(0, observed.Sub(s.facts.CreatedAt))
	shows := observed.Add(s.p.ConsistencyWindow - age)
	// That time may be over by now, and the caller may use the same observation for a moment.
	return Decision{Next: Postpone, At: Later(shows, s.now.Add(time.Second)), Cause: cause}
}

// equivalent finds one that may be adopted (I3). AWS allows no two equal flow logs, so an equivalent that is older than
// the lost one was gone when that was created: an answer that shows it is stale.
func (s situation) equivalent() (Other, bool) {
	for _, f := range s.facts.Others {
		wasGone := f.CreatedAt.Before(s.facts.CreatedAt) || madeEarlier(s.i, f.FlowLog, s.p.ConsistencyWindow)
		if wasGone && !s.facts.AlreadyExists {
			continue
		}
		if f.Adoptable && equalsLost(s.i, f.FlowLog) {
			return f, true
		}
	}
	return Other{}, false
}

// replacedBy finds a flow log that a wait rule's principal made on the resource within
// the rule's wait, before or after the deletion, to a destination that was known before.
// One flow log excuses one loss. A flow log that is lost itself, which only a stale
// observation shows, excuses none.
func (s situation) replacedBy() (Other, bool) {
	by := s.i.Actor.Principal()
	if by == "" {
		return Other{}, false
	}
	for _, f := range s.facts.Others {
		mayReplace := f.CreatedBy == by && f.MayExcuse && f.Adoptable
		inTime := f.CreatedAt.Sub(s.i.DeletedAt).Abs() <= s.i.Waited
		if mayReplace && inTime && !equalsLost(s.i, f.FlowLog) {
			return f, true
		}
	}
	return Other{}, false
}
