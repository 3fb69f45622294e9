package remediate

import (
	"time"

	"flowkeeper/remediate/incident"

	"flowkeeper/remediate/notify"
)

// joinCampaign is the event with the campaign that it belongs to, if there is one.
func joinCampaign(tx Tx, e incident.Event, incidents []incident.Incident, now time.Time) (incident.Event, error) {
	strike, ok := notify.StrikeOf(e, incidents, now)
	if !ok {
		return e, nil
	}
	var err error
	e.CampaignID, err = tx.JoinCampaign(strike)
	return e, err
}
