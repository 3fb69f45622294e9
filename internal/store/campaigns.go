package store

import (
	"flowkeeper/alert"
	"flowkeeper/remediate/campaign"
	"flowkeeper/remediate/incident"
)

// campaigns has the table of that name.
type campaigns struct{ *tx }

func (t campaigns) JoinCampaign(d campaign.Strike) (string, error) {
	at := d.At.UnixMilli()
	id, err := value[string](t, `UPDATE campaigns SET first_at = min(first_at, ?3), last_at = max(last_at, ?3) WHERE id =
		(SELECT id FROM campaigns WHERE account = ?1 AND principal = ?2 AND ended_at IS NULL
			AND last_at >= ?3 - ?4 AND first_at <= ?3 + ?4 AND max(last_at, ?3) - min(first_at, ?3) <= ?5
		ORDER BY last_at DESC LIMIT 1) RETURNING id`,
		d.Account, d.Principal, at, campaign.Gap.Milliseconds(), campaign.Length.Milliseconds())
	if err != nil || id != "" {
		return id, err
	}
	file, err := facts(t).fact(factID)
	if err != nil {
		return "", err
	}
	// The file's own ID is in it: another daemon on the queue, which receives other
	// deletions of the same campaign, must not resolve it.
	id = alert.CampaignID(file, d.Account, d.Principal, d.EventID)
	return id, t.exec(`INSERT INTO campaigns (id, account, principal, first_at, last_at, level) VALUES (?1, ?2, ?3, ?4, ?4, '')
		ON CONFLICT (id) DO UPDATE SET ended_at = NULL`, id, d.Account, d.Principal, at)
}

func (t campaigns) EndCampaign(e incident.Event) (bool, error) {
	ended, err := value[bool](t, `SELECT NOT EXISTS (SELECT 1 FROM events WHERE campaign = ? AND campaign <> '' AND over = 0 AND NOT (account = ? AND region = ? AND id = ?))`,
		e.CampaignID, e.Scope.Account, e.Scope.Region, e.ID)
	if err != nil || !ended {
		return false, err
	}
	return true, t.exec(`UPDATE campaigns SET ended_at = ? WHERE id = ?`, t.f.now().UnixMilli(), e.CampaignID)
}

// route is an alert of a campaign, which keeps the most urgent level of all of
// them: a sink that got one of those gets what ends the campaign.
func (t campaigns) route(a alert.Alert) (alert.Alert, error) {
	if a.CampaignID == "" || a.Answers() && !a.EndsCampaign() {
		return a, nil
	}
	level, err := value[alert.Level](t, `SELECT level FROM campaigns WHERE id = ?`, a.CampaignID)
	switch {
	case err != nil:
		return a, err
	case a.EndsCampaign():
		a.RouteLevel = alert.Highest(a.RouteLevel, level)
		return a, nil
	case level.AtLeast(a.Level):
		return a, nil
	}
	return a, t.exec(`UPDATE campaigns SET level = ? WHERE id = ?`, a.Level, a.CampaignID)
}
