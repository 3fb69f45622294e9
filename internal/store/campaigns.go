package store

import (
	"time"

	"flowkeeper/alert"
	"flowkeeper/remediate/campaign"
	"flowkeeper/remediate/incident"
)

// campaigns has the table of that name.
type campaigns struct{ *tx }

func (t campaigns) OpenCampaigns(account, principal string, from, to time.Time) ([]campaign.Campaign, error) {
	return allRows(t, func(c *campaign.Campaign) []any {
		c.Account, c.Principal = account, principal
		return []any{&c.ID, &c.First, &c.Last}
	}, `SELECT id, first_at, last_at FROM campaigns WHERE account = ? AND principal = ? AND ended_at IS NULL AND last_at >= ? AND first_at <= ?
		ORDER BY last_at DESC`, account, principal, from.UnixMilli(), to.UnixMilli())
}

func (t campaigns) PutCampaign(c campaign.Campaign) error {
	return t.exec(`INSERT INTO campaigns (id, account, principal, first_at, last_at, level) VALUES (?, ?, ?, ?, ?, '')
		ON CONFLICT (id) DO UPDATE SET first_at = min(first_at, excluded.first_at), last_at = max(last_at, excluded.last_at), ended_at = NULL`,
		c.ID, c.Account, c.Principal, c.First.UnixMilli(), c.Last.UnixMilli())
}

func (t campaigns) EndCampaign(id string) error {
	return t.exec(`UPDATE campaigns SET ended_at = ? WHERE id = ?`, t.f.now().UnixMilli(), id)
}

func (t campaigns) OthersOpen(e incident.Event) (bool, error) {
	return firstValue[bool](t, `SELECT EXISTS (SELECT 1 FROM events WHERE campaign = ? AND campaign <> '' AND over = 0 AND NOT (account = ? AND region = ? AND id = ?))`,
		e.CampaignID, e.Scope.Account, e.Scope.Region, e.ID)
}

// inCampaign is an alert as its campaign has it: see alert.Alert.InCampaign.
func (t campaigns) inCampaign(a alert.Alert) (alert.Alert, error) {
	if a.CampaignID == "" {
		return a, nil
	}
	before, err := firstValue[alert.Level](t, `SELECT level FROM campaigns WHERE id = ?`, a.CampaignID)
	if err != nil {
		return a, err
	}
	a, level := a.InCampaign(before)
	if level == before {
		return a, nil
	}
	return a, t.exec(`UPDATE campaigns SET level = ? WHERE id = ?`, level, a.CampaignID)
}
