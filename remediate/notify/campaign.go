package notify

import (
	"slices"
	"time"

	"flowkeeper/alert"
	"flowkeeper/remediate/incident"
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

// StrikeOf is an event as a strike of a campaign that it is to join. It joins none where
// nobody is known to have done it, where it was allowed, or where it names a flow log that
// the snapshot does not know: such records can be made up without end, their incidents are
// dropped when they are too many, and they must not hold open what others have in common.
// An event that has a campaign keeps it, for a pager was opened by it.
func StrikeOf(e incident.Event, incidents []incident.Incident, now time.Time) (s Strike, ok bool) {
	unknown := slices.ContainsFunc(incidents, func(i incident.Incident) bool { return !i.Known })
	allowed := e.Level == alert.Informational
	s = Strike{Account: e.Scope.Account, Principal: e.Actor.Principal(), EventID: e.ID, At: e.DeletedAt}
	switch {
	case e.CampaignID != "", s.Principal == "", allowed, len(incidents) == 0, unknown:
		return Strike{}, false
	}
	if s.At.IsZero() || s.At.After(now) {
		s.At = now
	}
	return s, true
}
