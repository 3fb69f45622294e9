package incident

import "time"

// Cause is what keeps a lost flow log from coming back, for now or for good, apart from what AWS has
// answered to a create (Incident.LastError).
type Cause string

// The causes. All but the first are causes of decisions too, in the order of decide's checks.
const (
	NeverShown   Cause = "never shown"   // AWS answered each create, and never showed what it made
	NotSeen      Cause = "not seen"      // the snapshot does not have it
	ImportedOnly Cause = "imported only" // a person has imported it from a file, and AWS has not shown it
	StillShown   Cause = "still shown"   // AWS shows the lost flow log
	PerhapsDecoy Cause = "perhaps decoy" // the record of another loss on its resource may still come
	WasReleased  Cause = "was released"  // an operator had allowed the deletion
	NotApproved  Cause = "not approved"  // nobody has approved its destination
	NotProtected Cause = "not protected" // a decoy, or outside inventory.destinations
	RuleIgnores  Cause = "rule ignores"  // a rule lets the caller delete flow logs
	ModeAlerts   Cause = "mode alerts"   // remediate.mode only alerts
	RuleAlerts   Cause = "rule alerts"   // a rule only alerts of the caller's deletions
	AwaitsRecord Cause = "awaits record" // within remediate.drift_wait
	AwaitsCaller Cause = "awaits caller" // a rule gives the caller time to replace it
	WasReplaced  Cause = "was replaced"  // by the caller, within that time
	HeldBack     Cause = "held back"     // it was restored too often within the hour; the time may be over
)

// awaits is the cause until an incident's WaitUntil.
func awaits(i Incident) Cause {
	if i.Source == ByDrift {
		return AwaitsRecord
	}
	return AwaitsCaller
}

// Causes are the causes of an incident at a time, as far as its own fields show them: NeverShown, and then the first
// that applies of the others, in the order of decide's checks. A blocked incident has none of these others.
func Causes(i Incident, now time.Time) (all []Cause) {
	if !i.MissingSince.IsZero() {
		all = append(all, NeverShown)
	}
	waits := i.WaitUntil.After(now)
	switch {
	case i.State != Open:
	case !i.Known:
		all = append(all, NotSeen)
	case !i.AliveSince.IsZero():
		all = append(all, StillShown)
	case waits:
		all = append(all, awaits(i))
	case i.Flapping:
		all = append(all, HeldBack)
	}
	return all
}
