package notify_test

import (
	"reflect"
	"testing"

	"flowkeeper/alert"
	"flowkeeper/inventory"
	"flowkeeper/remediate/notify"
)

// TestOutageAfter: only an alert by the part's own key says whether the part fails, and the last one counts.
func TestOutageAfter(t *testing.T) {
	t.Parallel()
	fails := alert.Alert{Kind: alert.Pipeline, Level: alert.High, DedupKey: notify.OutageKey(scope, alert.PartDelivery)}
	works := notify.OutageEnd(scope, alert.PartDelivery, "it works", noon)
	other := notify.OutageEnd(scope, alert.PartRehearsal, "another part works", noon)
	single := works
	single.DedupKey = "some work, others fail"
	elsewhere := fails
	elsewhere.DedupKey = notify.OutageKey(inventory.Scope{Account: scope.Account, Region: "eu-north-1"}, alert.PartDelivery)
	for name, tt := range map[string]struct {
		alerts         []alert.Alert
		alerted, found bool
	}{
		"no alert":                     {},
		"it fails":                     {[]alert.Alert{fails}, true, true},
		"it works":                     {[]alert.Alert{works}, false, true},
		"it fails, and then works":     {[]alert.Alert{fails, works}, false, true},
		"it works, and then fails":     {[]alert.Alert{works, fails}, true, true},
		"another part works":           {[]alert.Alert{other}, false, false},
		"another scope fails":          {[]alert.Alert{elsewhere}, false, false},
		"some work":                    {[]alert.Alert{single}, false, false},
		"it fails, among other alerts": {[]alert.Alert{other, fails, single}, true, true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var want *notify.OutageNote
			if tt.found {
				want = &notify.OutageNote{Scope: scope, Part: alert.PartDelivery, Alerted: tt.alerted}
			}
			if got := notify.OutageAfter(scope, alert.PartDelivery, tt.alerts); !reflect.DeepEqual(got, want) {
				t.Errorf("%+v, want %+v", got, want)
			}
		})
	}
}
