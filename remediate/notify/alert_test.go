package notify

import (
	"strings"
	"testing"
	"time"

	"flowkeeper/alert"
	"flowkeeper/remediate/incident"
)

// TestWaitsUntil: a deletion alert says until when a restore waits because of a rule, and
// shows no time if there is none.
func TestWaitsUntil(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	for name, c := range map[string]struct {
		until time.Time
		want  string
	}{
		"with a time":    {now.Add(time.Hour), "will not be restored before 2026-03-01 13:00:00 UTC"},
		"without a time": {time.Time{}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			i := incident.Incident{FlowLogID: "fl-1", State: incident.Open, Action: incident.Wait, WaitUntil: c.until}
			a := deletionAlert(incident.Event{ID: "e", Level: alert.High}, []incident.Incident{i}, nil, now)
			if got := a.FlowLogs[0].Outcome(a); got != c.want {
				t.Errorf("the alert says %q, not %q", got, c.want)
			}
			a.Write()
			if strings.Contains(a.Text, "0001-") {
				t.Errorf("the alert shows the zero time:\n%s", a.Text)
			}
		})
	}
}
