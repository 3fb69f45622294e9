package notify

import (
	"slices"
	"time"

	"flowkeeper/alert"
	"flowkeeper/remediate/incident"
)

// Deletions by one principal in one account, in any Regions, are one campaign if each
// happened at most CampaignGap from another. A campaign includes no deletion more than
// CampaignLength from its first, so that a long attack pages again, and none after all of
// its deletions are closed.
const (
	CampaignGap    = 10 * time.Minute
	CampaignLength = time.Hour
)

// Strike is what decides to which campaign a deletion belongs.
type Strike struct {
	Account   string
	Principal string
	EventID   string
	At        time.Time
}

// StrikeOf is the strike by which an event joins a campaign. ok is false if the event joins
// none: if its principal is unknown, if the deletion was allowed, or if it names a flow log
// that the snapshot does not know. Records of unknown flow logs can be forged without end,
// and their incidents are dropped when there are too many, so they must not keep the
// campaign of other deletions open. ok is false, too, if the event has a campaign: it keeps
// that, because a pager may have opened an incident by it.
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
