package incident

import (
	"testing"
	"time"

	"flowkeeper/alert"
	"flowkeeper/inventory"
)

// TestIsUnreported: a refresh found the loss within the last day. It does not count if it is closed or adopted, or if a
// record has reported it since.
func TestIsUnreported(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	scope := inventory.Scope{Account: "111122223333", Region: "eu-west-1"}
	found := func(ago time.Duration) string { return DriftEventID(scope, now.Add(-ago)) }
	for name, tt := range map[string]struct {
		i    Incident
		want bool
	}{
		"open":                      {Incident{State: Open, Source: ByDrift, EventID: found(0)}, true},
		"blocked":                   {Incident{State: Blocked, Source: ByDrift, EventID: found(time.Hour)}, true},
		"restored":                  {Incident{State: Restored, Source: ByDrift, EventID: found(time.Hour)}, true},
		"the event ID has a suffix": {Incident{State: Verified, Source: ByDrift, EventID: found(time.Hour) + "-1772366400000"}, true},
		"a day ago":                 {Incident{State: Verified, Source: ByDrift, EventID: found(24 * time.Hour)}, true},
		"longer ago":                {Incident{State: Verified, Source: ByDrift, EventID: found(24*time.Hour + time.Millisecond)}, false},
		"closed":                    {Incident{State: Closed, Source: ByDrift, EventID: found(time.Hour)}, false},
		"adopted":                   {Incident{State: Restored, Adopted: true, Source: ByDrift, EventID: found(time.Hour)}, false},
		"its record came later":     {Incident{State: Restored, Source: ByEvent, EventID: found(time.Hour)}, false},
		"by a record":               {Incident{State: Restored, Source: ByEvent, EventID: "3f6a1e0c"}, false},
		"by hand":                   {Incident{State: Restored, Source: ByDrift, EventID: "by-hand-fl-1"}, false},
		"a lost replacement":        {Incident{State: Restored, Source: ByDrift, EventID: alert.LostEvent.ID("fl-1")}, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			tt.i.Scope = scope
			if got := IsUnreported(tt.i, now); got != tt.want {
				t.Errorf("%v", got)
			}
		})
	}
}
