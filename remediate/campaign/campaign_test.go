package campaign_test

import (
	"slices"
	"testing"
	"time"

	"flowkeeper/alert"
	"flowkeeper/inventory"
	"flowkeeper/remediate/campaign"
	"flowkeeper/remediate/incident"
)

var noon = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

const mallory = "arn:aws:iam::111122223333:user/mallory"

// stored is a store with some campaigns. It keeps what it is asked to write.
type stored struct {
	campaign.Tx
	open     []campaign.Campaign
	put      []campaign.Campaign
	ended    []string
	others   bool
	from, to time.Time
}

func (s *stored) OpenCampaigns(_, _ string, from, to time.Time) ([]campaign.Campaign, error) {
	s.from, s.to = from, to
	return s.open, nil
}

func (s *stored) PutCampaign(c campaign.Campaign) error {
	s.put = append(s.put, c)
	return nil
}

func (s *stored) EndCampaign(id string) error {
	s.ended = append(s.ended, id)
	return nil
}

func (s *stored) OthersOpen(incident.Event) (bool, error) { return s.others, nil }

func (s *stored) FileID() (string, error) { return "file", nil }

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
			wantID, want := e.CampaignID, []campaign.Campaign(nil)
			if !tt.at.IsZero() {
				wantID = alert.CampaignID("file", e.Scope.Account, mallory, e.ID)
				want = []campaign.Campaign{{ID: wantID, Account: e.Scope.Account, Principal: mallory, First: tt.at, Last: tt.at}}
			}
			store := &stored{}
			got, err := campaign.Join(store, e, tt.incidents, noon)
			if err != nil || !slices.Equal(store.put, want) || got.CampaignID != wantID {
				t.Errorf("it joins %q, %v, and %+v is written; want %q and %+v", got.CampaignID, err, store.put, wantID, want)
			}
		})
	}
}

// TestWhichCampaignADeletionJoins: the latest one that stays within an hour.
func TestWhichCampaignADeletionJoins(t *testing.T) {
	t.Parallel()
	at := func(minutes int) time.Time { return noon.Add(time.Duration(minutes) * time.Minute) }
	from := func(id string, first, last int) campaign.Campaign {
		return campaign.Campaign{ID: id, Account: "1", Principal: mallory, First: at(first), Last: at(last)}
	}
	begun := from(alert.CampaignID("file", "1", mallory, "e-1"), 0, 0)
	for name, tt := range map[string]struct {
		open []campaign.Campaign
		want campaign.Campaign
	}{
		"there is none":                      {nil, begun},
		"after its last one":                 {[]campaign.Campaign{from("a", -20, -10)}, from("a", -20, 0)},
		"before its first one":               {[]campaign.Campaign{from("a", 10, 20)}, from("a", 0, 20)},
		"between its first and its last one": {[]campaign.Campaign{from("a", -5, 5)}, from("a", -5, 5)},
		"an hour after its first one":        {[]campaign.Campaign{from("a", -60, -1)}, from("a", -60, 0)},
		"more than an hour after that":       {[]campaign.Campaign{from("a", -61, -1)}, begun},
		"an hour before its last one":        {[]campaign.Campaign{from("a", 1, 60)}, from("a", 0, 60)},
		"more than an hour before that":      {[]campaign.Campaign{from("a", 1, 61)}, begun},
		"the latest one is too long already": {[]campaign.Campaign{from("b", 1, 61), from("a", -20, -10)}, from("a", -20, 0)},
		"two fit":                            {[]campaign.Campaign{from("b", 5, 20), from("a", -20, -10)}, from("b", 0, 20)},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			store := &stored{open: tt.open}
			id, err := campaign.Deletion{Account: "1", Principal: mallory, EventID: "e-1", At: noon.Add(time.Microsecond)}.Join(store)
			if err != nil || id != tt.want.ID || !slices.Equal(store.put, []campaign.Campaign{tt.want}) {
				t.Errorf("it joins %q, %v, and %+v is written; want %+v", id, err, store.put, tt.want)
			}
			if !store.from.Equal(at(-10)) || !store.to.Equal(at(10)) {
				t.Errorf("it asks for campaigns from %s to %s, want ten minutes before and after noon", store.from, store.to)
			}
		})
	}
}

func TestGoesOn(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		id     string
		others bool
		ended  []string
	}{
		"another event is open":  {"c", true, nil},
		"no other event is open": {"c", false, []string{"c"}},
		"it has no campaign":     {"", false, nil},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			store := &stored{others: tt.others}
			on, err := campaign.GoesOn(store, incident.Event{CampaignID: tt.id})
			if err != nil || on != tt.others || !slices.Equal(store.ended, tt.ended) {
				t.Errorf("goes on: %v, %v, and %q ended; want %v, %q", on, err, store.ended, tt.others, tt.ended)
			}
		})
	}
}
