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

// Campaign is a campaign that has not ended.
type Campaign struct {
	ID        string
	Account   string
	Principal string
	First     time.Time // the times of its deletions, to the millisecond
	Last      time.Time
}

// Tx is what is stored of campaigns, in a transaction of the caller.
type Tx interface {
	// OpenCampaigns are the campaigns of a principal in an account that have not ended and whose
	// span (First to Last) overlaps a span of time: the latest one first.
	OpenCampaigns(account, principal string, from, to time.Time) ([]Campaign, error)
	// PutCampaign writes a campaign. If it had ended, it is open again. Its span of time never becomes
	// shorter: a repeat of the event ID that began a campaign can't move the campaign.
	PutCampaign(c Campaign) error
	// EndCampaign notes that a campaign has ended.
	EndCampaign(id string) error
	// OthersOpen reports whether another event of this event's campaign is not over.
	OthersOpen(e incident.Event) (bool, error)
	// FileID identifies the state file.
	FileID() (string, error)
}

// Deletion is what decides to which campaign a deletion belongs.
type Deletion struct {
	Account   string
	Principal string
	EventID   string
	At        time.Time
}

// Join is an event with the campaign that it belongs to, if there is one.
func Join(tx Tx, e incident.Event, incidents []incident.Incident, now time.Time) (incident.Event, error) {
	deletion, ok := deletionOf(e, incidents, now)
	if !ok {
		return e, nil
	}
	var err error
	e.CampaignID, err = deletion.Join(tx)
	return e, err
}

// Join returns the ID of the campaign that the deletion belongs to: one that goes on, or one that
// it begins.
func (d Deletion) Join(tx Tx) (id string, err error) {
	d.At = d.At.Truncate(time.Millisecond)
	open, err := tx.OpenCampaigns(d.Account, d.Principal, d.At.Add(-Gap), d.At.Add(Gap))
	if err != nil {
		return "", err
	}
	c, found := d.in(open)
	if !found {
		// The state file's own ID is in that of the campaign: another daemon on the queue, which
		// receives other deletions of the same campaign, must not resolve it.
		file, err := tx.FileID()
		if err != nil {
			return "", err
		}
		c.ID = alert.CampaignID(file, d.Account, d.Principal, d.EventID)
	}
	return c.ID, tx.PutCampaign(c)
}

// in is the first campaign to which the deletion belongs, with its span extended to the deletion; or
// else a new campaign, still without an ID.
func (d Deletion) in(open []Campaign) (c Campaign, found bool) {
	for _, c := range open {
		if d.At.Before(c.First) {
			c.First = d.At
		}
		c.Last = incident.Later(c.Last, d.At)
		if c.Last.Sub(c.First) <= Length {
			return c, true
		}
	}
	return Campaign{Account: d.Account, Principal: d.Principal, First: d.At, Last: d.At}, false
}

// GoesOn reports whether the campaign of an event that is over has other events that are
// not over. If it has none, the campaign ends.
func GoesOn(tx Tx, e incident.Event) (bool, error) {
	if e.CampaignID == "" {
		return false, nil
	}
	open, err := tx.OthersOpen(e)
	if err != nil || open {
		return open, err
	}
	return false, tx.EndCampaign(e.CampaignID)
}

// deletionOf is the deletion by which an event joins a campaign. ok is false if the event joins
// none: if its principal is unknown, if the deletion was allowed, or if it names a flow log
// that the snapshot does not know. Records of unknown flow logs can be forged without end,
// and their incidents are dropped when there are too many, so they must not keep the
// campaign of other deletions open. ok is false, too, if the event has a campaign: it keeps
// that, because a pager may have opened an incident by it.
func deletionOf(e incident.Event, incidents []incident.Incident, now time.Time) (d Deletion, ok bool) {
	unknown := slices.ContainsFunc(incidents, func(i incident.Incident) bool { return !i.Known })
	allowed := e.Level == alert.Informational
	d = Deletion{Account: e.Scope.Account, Principal: e.Actor.Principal(), EventID: e.ID, At: e.DeletedAt}
	switch {
	case e.CampaignID != "", d.Principal == "", allowed, len(incidents) == 0, unknown:
		return Deletion{}, false
	}
	if d.At.IsZero() || d.At.After(now) {
		d.At = now
	}
	return d, true
}
