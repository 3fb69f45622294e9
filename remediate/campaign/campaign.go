package campaign

import (
	"slices"
	"time"

	"flowkeeper/alert"
	"flowkeeper/remediate/incident"
)

// Deletions by one principal in one account, in any Regions, are one campaign if each
// happened at most Gap from another. A campaign includes no deletion more than Length from
// its first, so that a long attack pages again, and none after all of its deletions are
// closed.
const (
	Gap    = 10 * time.Minute
	Length = time.Hour
)

// Tx is what is stored of campaigns, in a transaction of the caller.
type Tx interface {
	// JoinCampaign returns the campaign that a deletion belongs to: one that it
	// begins, or one of the same principal in the same account that goes on.
	JoinCampaign(s Strike) (id string, err error)
	// EndCampaign reports whether every other event of an event's campaign is
	// over, and notes then that the campaign has ended: no deletion joins it.
	EndCampaign(e incident.Event) (ended bool, err error)
}

// Strike is what decides to which campaign a deletion belongs.
type Strike struct {
	Account   string
	Principal string
	EventID   string
	At        time.Time
}

// Join is an event with the campaign that it belongs to, if there is one.
func Join(tx Tx, e incident.Event, incidents []incident.Incident, now time.Time) (incident.Event, error) {
	strike, ok := strikeOf(e, incidents, now)
	if !ok {
		return e, nil
	}
	var err error
	e.CampaignID, err = tx.JoinCampaign(strike)
	return e, err
}

// GoesOn reports whether the campaign of an event that is over has other events that are
// not.
func GoesOn(tx Tx, e incident.Event) (bool, error) {
	if e.CampaignID == "" {
		return false, nil
	}
	ended, err := tx.EndCampaign(e)
	return err == nil && !ended, err
}

// strikeOf is the strike by which an event joins a campaign. ok is false if the event joins
// none: if its principal is unknown, if the deletion was allowed, or if it names a flow log
// that the snapshot does not know. Records of unknown flow logs can be forged without end,
// and their incidents are dropped when there are too many, so they must not keep the
// campaign of other deletions open. ok is false, too, if the event has a campaign: it keeps
// that, because a pager may have opened an incident by it.
func strikeOf(e incident.Event, incidents []incident.Incident, now time.Time) (s Strike, ok bool) {
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
