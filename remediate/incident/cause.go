package incident

import "time"

// Cause is what keeps the flow log of a pending incident from coming back, apart from what AWS has
// answered (Incident.LastError).
type Cause string

// The causes.
const (
	NeverShown   Cause = "never shown"   // AWS answered each create, and never showed what it made
	NotSeen      Cause = "not seen"      // the snapshot does not have it
	StillShown   Cause = "still shown"   // AWS shows the lost flow log
	AwaitsRecord Cause = "awaits record" // within remediate.drift_wait
	AwaitsCaller Cause = "awaits caller" // a rule gives the caller time to replace it
	HeldBack     Cause = "held back"     // it was restored too often within the hour; the time may be over
)

// Causes are the causes of an incident at a time. After NeverShown there is the first that applies of the others, in the
// order of Decide's checks; of a blocked incident these are over.
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
	case waits && i.Source == ByDrift:
		all = append(all, AwaitsRecord)
	case waits:
		all = append(all, AwaitsCaller)
	case i.Flapping:
		all = append(all, HeldBack)
	}
	return all
}
