package incident

import (
	"time"

	"flowkeeper/alert"
	"flowkeeper/inventory"
)

// State of an incident.
type State string

// States, and the methods of [Case] that lead from one to another:
//
//	none               -> open      ApplyRecord, ApplyDrift, ByHand.Request
//	open, blocked      -> restored  ApplyAnswer, Sharing.ApplyCreation (created), ApplyAnswer, applyObservation (adopted),
//	                                Rows.ApplyFound (a refresh shows what a call in doubt has made: takeAnswer)
//	open               -> blocked   ApplyAnswer (a refusal, a decoy), applyFailure, Sharing.ApplyCreation (a refusal of one, a used token)
//	blocked            -> open      Rows.Created (what was taken for a decoy is AWS's own)
//	open, blocked      -> closed    applyObservation, ApplyAnswer (its resource is gone), ByHand.CloseReleased,
//	                                as superseded (its replacement was lost in turn): the methods that lead to restored, Sharing.Share
//	restored           -> verified  verify
//	restored           -> closed    verify (lost in turn)
//	restored, verified -> closed    Rows.ApplyFound (AWS shows the lost flow log, which was taken from a copy or a file)
//	restored, verified -> open      the methods that close another incident of its lineage as superseded
//	closed             -> open      ApplyRecord, ApplyDrift, Rows.Relearn, ByHand.Request, and the methods of the line above
const (
	Open     State = "open"     // AWS is observed, and the flow log is restored as soon as decide allows
	Restored State = "restored" // a replacement was created or adopted; verify confirms it
	Verified State = "verified" // the replacement is active, and no failure of delivery is known
	Blocked  State = "blocked"  // as Open, but a person is needed, and it is tried less often
	Closed   State = "closed"   // over without a restore, for a reason
)

// Reason is why an incident is blocked or closed, or restored but not verified; empty: there is none.
type Reason string

// Reasons for being blocked or closed, or restored but not verified.
const (
	NotDelivering Reason = "not_delivering" // restored: AWS can't deliver what the replacement records
	NotTagged     Reason = "not_tagged"     // restored: AWS refuses tags that the lost flow log had

	// Of blocked incidents.
	Permission  Reason = "permission"  // AWS refuses an action of ours
	Destination Reason = "destination" // the destination is gone, or refuses delivery
	Role        Reason = "role"        // the delivery role can't be assumed
	Limit       Reason = "limit"       // there are too many flow logs on the resource
	Decoy       Reason = "decoy"       // a flow log that does less is in its place
	TokenUsed   Reason = "token_used"  // somebody used the ClientToken before: another is taken
	Managed     Reason = "managed"     // a flow log of CloudWatch's telemetry rules is in its place
	Invalid     Reason = "invalid"     // AWS refuses the parameters
	Credentials Reason = "credentials" // AWS refuses them, or they are of another account
	Account     Reason = "account"     // AWS refuses the whole account
	Refused     Reason = "refused"     // AWS refuses with an error that Flowkeeper does not know

	// Of closed incidents.
	ResourceGone Reason = "resource_gone" // two creates in a row said so
	Replaced     Reason = "replaced"      // by the caller, to whom a rule gives time for that
	Released     Reason = "released"      // an operator released the flow log, before or after its deletion
	Superseded   Reason = "superseded"    // its replacement was lost: the replacement's incident goes on
	StillThere   Reason = "still_there"   // AWS shows it alive
	Exempt       Reason = "exempt"        // it was not protected, or a rule ignores who deleted it
	Held         Reason = "held"          // its recipient is not approved
	AlertOnly    Reason = "alert_only"    // the mode, or a rule, only alerts
	Unknown      Reason = "unknown"       // Flowkeeper never saw the flow log
)

// Sources of an incident: what reported the loss.
const (
	ByEvent = "event" // a record of DeleteFlowLogs
	ByDrift = "drift" // a refresh, an observation or a person; no record yet
)

// Action is what a deletion asks for. A larger one is stricter: the strictest
// record wins.
type Action int

const (
	Ignore  Action = iota + 1 // the deletion is allowed: nothing is restored
	Alert                     // it is alerted, and nothing is restored
	Wait                      // it is restored unless the principal replaces the flow log within Rule.Wait
	Restore                   // it is restored at once
)

// Incident is what Flowkeeper does about the loss of one flow log. There is one for each
// flow log of a scope, which may be opened again. Its JSON is in the state file. JSON names that differ from those
// of the fields are of earlier versions: state files keep them.
//
// TestReopen fails for a new field that reopen neither resets nor is to keep, TestClampTimes for a new time that is
// neither clamped nor is to stay.
type Incident struct {
	// What was lost.
	Scope      inventory.Scope
	FlowLogID  string
	RootID     string // the first flow log of its lineage, which is that flow log and the chain of its replacements
	ResourceID string
	Known      bool               // the snapshot knows the flow log
	Frozen     inventory.Settings // the settings when it was lost: what will be created

	// How it was lost, and who did it.
	Source      string
	EventID     string // of the record that opened or reopened it; for drift one made from the refresh
	Actor       *alert.Actor
	FirstSeenAt time.Time // of the root of its lineage
	LastSeenAt  time.Time // start of the last complete refresh that listed the flow log
	DeletedAt   time.Time // zero for drift
	DetectedAt  time.Time
	OpenedAt    time.Time // when it was last opened: Policy.ConsistencyWindow counts from then

	// What becomes of it.
	State  State
	Reason Reason
	Advice string

	// What rules and people say.
	Action          Action
	ModeOnly        bool          // closed alert_only because of the mode: no record reopens it
	WaitUntil       time.Time     // end of a wait rule's time, or of drift_wait
	Waited          time.Duration // how long a wait rule waits, until WaitUntil; 0: no wait rule applies
	Requested       bool          // a person asked (`flowkeeper restore`): rules no longer count
	LateDestination bool          `json:",omitempty"` // it delivers to where nothing did at the first refresh

	// What AWS showed of it.
	AliveSince time.Time // first of the observations in a row that showed the lost flow log
	TimesAlive int       `json:"Looks"` // observations in a row that showed the lost flow log
	AbsentAt   time.Time // the first observation that did not show it; zero until then

	// The ClientToken of its create.
	Generation  int       // of the ClientToken
	Keyed       bool      // its token is made with the policy's key; false: it was opened before there was one
	RandomToken string    `json:",omitempty"` // its ClientToken after IdempotentParameterMismatch; the token of a shared call is made from those of its members
	MismatchAt  time.Time // first IdempotentParameterMismatch for this generation's token

	// Its create, which may be shared with others. Incidents with the same Group may share a call,
	// because the Call of each has every create that may have been sent for it. Group is the event's
	// ID as the call's tag has it (see Sharing.Gather); empty: it shares no call.
	Group   string    `json:",omitempty"`
	AtMost  int       `json:",omitempty"` // incidents that may share its call; 0: as many as AWS takes
	Untried bool      `json:",omitempty"` // no create for it can have been sent since it was first opened
	Call    *SentCall `json:",omitempty"` // nil: no create is in doubt
	// NothingMadeAt is when an observation last showed that an earlier call has left no flow log
	// there. A flow log that a Flowkeeper made before that is gone.
	NothingMadeAt time.Time `json:",omitzero"`
	Untagged      bool      // AWS refused our own tag

	// Attempts, and when the next one is due.
	NextAttemptAt time.Time // zero: nothing is due
	Tried         int       // attempts since it was opened, failed observations among them
	Attempts      int       // of the current run of failures, from which the backoff follows; 0 again when it is blocked
	LastError     string    // why the last attempt did not succeed; AWS's own words
	FailingSince  time.Time // first of the current run of "role" failures
	NotFoundAt    time.Time // first create that answered …NotFound
	ExistsAt      time.Time `json:",omitzero"` // first of the creates in a row that answered FlowLogAlreadyExists, and AWS did not show which
	Flapping      bool      // it was held back because its lineage was restored too often

	// The replacement.
	NewID        string
	Adopted      bool
	Confirmed    bool              // an observation after Policy.ConsistencyWindow showed NewID
	RestoredAt   time.Time         // when AWS answered the create, or when the adopted one was created; zero: it is not back
	VerifiedAt   time.Time         // when it became Verified; zero: it did not
	MissingSince time.Time         // since when its lineage is missing, if it is a replacement that AWS answered and never showed; earlier than OpenedAt
	MissingTags  map[string]string `json:",omitempty"` // own tags that the replacement is to get by CreateTags
	TaggedAt     time.Time         `json:",omitzero"`  // when CreateTags last set its tags, or AWS first showed all of them
	TagRounds    int               `json:",omitempty"` // how often CreateTags set its tags

	// What people are alerted of.
	Stuck          *Stuck    // why it is blocked or held back
	StuckNews      bool      // that reason is noted for an alert, which is not written yet
	StuckAlertedAt time.Time `json:"ToldStuckAt"` // of the last alert that it is not back; zero: there was none
	FlapAlerted    bool      `json:"FlapTold"`    // there is an alert of it, or is about to be
}

// Stuck is why an incident is blocked, or held back, in the words of the alert
// about it.
type Stuck struct {
	Kind        alert.Kind
	Message     string   // AWS's own words, or what Flowkeeper has found
	Advice      string   // what a person should do
	Differences []string // of a decoy, from the settings of the lost flow log
}

// Terminal reports whether nothing more will be done by itself, as far as is
// known now.
func (i Incident) Terminal() bool { return i.State == Verified || i.State == Closed }

// Pending reports whether the flow log is to come back, and is not back.
func (i Incident) Pending() bool { return i.State == Open || i.State == Blocked }

// HasReplacement reports whether the flow log is back.
func (i Incident) HasReplacement() bool { return i.State == Restored || i.State == Verified }

// equalsLost reports whether a flow log is equivalent to the lost one, which must be known.
func equalsLost(i Incident, f inventory.FlowLog) bool {
	return i.Known && inventory.Equivalent(i.Scope, i.Frozen, f)
}

// closedAs reports whether the incident is closed for a reason.
func (i Incident) closedAs(reason Reason) bool { return i.State == Closed && i.Reason == reason }

// ClampTimes moves times that are after now back to now: the clock has gone back since they were
// noted. A wait does not become longer than it was.
func (i Incident) ClampTimes(now time.Time, p Policy) Incident {
	for _, t := range []*time.Time{&i.LastSeenAt, &i.OpenedAt, &i.AliveSince, &i.AbsentAt, &i.RestoredAt, &i.FailingSince, &i.NotFoundAt, &i.ExistsAt, &i.MismatchAt, &i.StuckAlertedAt, &i.MissingSince, &i.TaggedAt, &i.NothingMadeAt} {
		*t = Earlier(*t, now)
	}
	i.WaitUntil = Earlier(i.WaitUntil, now.Add(max(i.Waited, p.DriftWait)))
	if i.Call != nil && i.Call.At.After(now) {
		sent := *i.Call
		sent.At, i.Call = now, &sent
	}
	return i
}

// lostAt is when the flow log was deleted; for drift, when it was last seen.
func (i Incident) lostAt() time.Time {
	if i.DeletedAt.IsZero() {
		return i.LastSeenAt
	}
	return i.DeletedAt
}

// BlindSince is since when nothing has been logged; zero: the flow log is or may be there, or the
// time is not known.
func (i Incident) BlindSince() time.Time {
	if i.State == Blocked || i.State == Open && !i.AbsentAt.IsZero() {
		return i.lostAt()
	}
	return time.Time{}
}

// BlindSeconds is how long nothing was logged, known once it is restored.
func (i Incident) BlindSeconds() (float64, bool) {
	from := i.lostAt()
	if i.RestoredAt.IsZero() || from.IsZero() {
		return 0, false
	}
	return max(0, i.RestoredAt.Sub(from).Seconds()), true
}

// Entry is one line of an incident's history.
type Entry struct {
	At      time.Time
	State   State
	Reason  Reason
	Text    string
	EventID string       // where a record caused it
	Claim   string       // hash of who made the call, and when, as that record says: see ClaimOf
	Actor   *alert.Actor // of that record
}
