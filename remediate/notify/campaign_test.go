package notify_test

import (
	"testing"
	"time"

	"flowkeeper/alert"
	"flowkeeper/remediate/incident"
	"flowkeeper/remediate/notify"
)

func TestStrikeOf(t *testing.T) {
	t.Parallel()
	known := lost("fl-1", incident.Open)
	unknown := with(known, func(i *incident.Incident) { i.Known = false })
	for name, tt := range map[string]struct {
		change    func(*incident.Event)
		incidents []incident.Incident
		at        time.Time // zero: it joins none
	}{
		"a deletion":                   {nil, []incident.Incident{known}, ago(time.Minute)},
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
			e := alerted(nil)
			e.DeletedAt = ago(time.Minute)
			if tt.change != nil {
				tt.change(&e)
			}
			want := notify.Strike{}
			if !tt.at.IsZero() {
				want = notify.Strike{Account: scope.Account, Principal: mallory, EventID: e.ID, At: tt.at}
			}
			if s, ok := notify.StrikeOf(e, tt.incidents, noon); s != want || ok == tt.at.IsZero() {
				t.Errorf("the strike is %+v, %v; want %+v", s, ok, want)
			}
		})
	}
}
