package campaign_test

import (
	"testing"
	"time"

	"flowkeeper/alert"
	"flowkeeper/inventory"
	"flowkeeper/remediate/campaign"
	"flowkeeper/remediate/incident"
)

var noon = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

const mallory = "arn:aws:iam::111122223333:user/mallory"

// joined is a store that remembers the strike by which an event joined.
type joined struct {
	campaign.Tx
	strike campaign.Strike
}

func (j *joined) JoinCampaign(s campaign.Strike) (string, error) {
	j.strike = s
	return "campaign-2", nil
}

func TestJoin(t *testing.T) {
	t.Parallel()
	known, unknown := incident.Incident{FlowLogID: "fl-1", Known: true}, incident.Incident{FlowLogID: "fl-2"}
	for name, tt := range map[string]struct {
		change    func(*incident.Event)
		incidents []incident.Incident
		at        time.Time // zero: it joins none
	}{
		"a deletion":                   {nil, []incident.Incident{known}, noon.Add(-time.Minute)},
		"of an unknown time":           {func(e *incident.Event) { e.DeletedAt = time.Time{} }, []incident.Incident{known}, noon},
		"of a time in the future":      {func(e *incident.Event) { e.DeletedAt = noon.Add(time.Hour) }, []incident.Incident{known}, noon},
		"its principal is unknown":     {func(e *incident.Event) { e.Actor = nil }, []incident.Incident{known}, time.Time{}},
		"it has a campaign":            {func(e *incident.Event) { e.CampaignID = "campaign-1" }, []incident.Incident{known}, time.Time{}},
		"it was allowed":               {func(e *incident.Event) { e.Level = alert.Informational }, []incident.Incident{known}, time.Time{}},
		"it names no flow log":         {nil, nil, time.Time{}},
		"it names an unknown one, too": {nil, []incident.Incident{known, unknown}, time.Time{}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			e := incident.Event{Scope: inventory.Scope{Account: "111122223333", Region: "eu-west-1"}, ID: "e-1", Level: alert.Critical,
				Actor: &alert.Actor{ARN: mallory}, DeletedAt: noon.Add(-time.Minute)}
			if tt.change != nil {
				tt.change(&e)
			}
			want, wantID := campaign.Strike{}, e.CampaignID
			if !tt.at.IsZero() {
				want, wantID = campaign.Strike{Account: e.Scope.Account, Principal: mallory, EventID: e.ID, At: tt.at}, "campaign-2"
			}
			store := &joined{}
			got, err := campaign.Join(store, e, tt.incidents, noon)
			if err != nil || store.strike != want || got.CampaignID != wantID {
				t.Errorf("it joins %q by %+v, %v; want %q by %+v", got.CampaignID, store.strike, err, wantID, want)
			}
		})
	}
}
