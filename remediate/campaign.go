package remediate

import (
	"slices"
	"time"

	"flowkeeper/alert"
)

// Deletions by one principal in one account, in whichever Regions, are one campaign
// where each happened at most CampaignGap from another. It takes no deletion more
// than CampaignLength from its first, so that a long attack rings again, and none
// after all of it is settled.
const (
	CampaignGap    = 10 * time.Minute
	CampaignLength = time.Hour
)

// Strike is one deletion, as far as it matters to which campaign it belongs.
type Strike struct {
	Account   string
	Principal string
	EventID   string
	At        time.Time
}

// joinCampaign is the event with the campaign that it belongs to. It belongs to
// none where nobody is known to have done it, where it was allowed, or where it
// names a flow log that the snapshot does not know: such records can be made up
// without end, their incidents are dropped when they are too many, and they must not
// hold open what others have in common. An event that has one keeps it, for a pager
// was opened by it.
func joinCampaign(tx Tx, e Event, incidents []Incident, now time.Time) (Event, error) {
	who := e.Actor.Principal()
	unknown := slices.ContainsFunc(incidents, func(i Incident) bool { return !i.Known })
	if e.CampaignID != "" || who == "" || len(incidents) == 0 || unknown || e.Level == alert.Informational {
		return e, nil
	}
	at := e.DeletedAt
	if at.IsZero() || at.After(now) {
		at = now
	}
	var err error
	e.CampaignID, err = tx.JoinCampaign(Strike{Account: e.Scope.Account, Principal: who, EventID: e.ID, At: at})
	return e, err
}
