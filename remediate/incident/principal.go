package incident

import (
	"time"

	"flowkeeper/alert"
)

// PrincipalOrName is the principal, or where the record has no ARN a name for people,
// which no rule matches and no other principal has.
func PrincipalOrName(a *alert.Actor) string {
	by := a.Principal()
	if name := a.Name(); by == "" && name != (alert.Actor{}).Name() {
		return name
	}
	return by
}

// BoundActor is an actor with its texts cut to what an alert shows: the state file keeps
// an actor many times.
func BoundActor(a alert.Actor) *alert.Actor {
	for _, s := range []*string{&a.Type, &a.ARN, &a.SessionIssuer, &a.AccessKeyID, &a.SourceIP, &a.UserAgent, &a.Account, &a.Via} {
		*s = alert.Clean(*s, mostActorText)
	}
	return &a
}

const mostActorText = 512 // characters

// ClaimOf returns a hash of what a record says about who called and when. It distinguishes
// records that have the same event ID: one of them may be forged, and must not count as the
// other (I2).
func ClaimOf(actor *alert.Actor, at time.Time) string {
	claim := []string{actor.Principal(), actor.ARN, at.UTC().Format(time.RFC3339)}
	if claim[0] == "" { // only these texts distinguish two such principals
		claim = append(claim, actor.UserName, actor.OnBehalfOf, actor.PrincipalID, actor.InvokedBy)
	}
	return alert.ID(claim...)
}
