package store

import (
	"maps"
	"testing"
	"time"

	"flowkeeper/inventory"
	"flowkeeper/remediate/incident"
	"flowkeeper/remediate/notify"
)

// TestEventStates: EventStates counts the incidents of an event by state; an open one that waits for a rule counts as
// waiting. EventOpen reports whether one is open and does not wait. An incident belongs to an event if it has the
// event's ID itself, or only in its history.
func TestEventStates(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		state  incident.State
		until  time.Time
		counts incident.State
		open   bool
	}{
		"open":                     {incident.Open, time.Time{}, incident.Open, true},
		"open, and waits":          {incident.Open, noon.Add(time.Millisecond), notify.Waiting, false},
		"open, its wait ends now":  {incident.Open, noon, incident.Open, true},
		"open, and has waited":     {incident.Open, noon.Add(-time.Millisecond), incident.Open, true},
		"blocked":                  {incident.Blocked, time.Time{}, incident.Blocked, false},
		"blocked within its wait":  {incident.Blocked, noon.Add(time.Hour), incident.Blocked, false},
		"restored within its wait": {incident.Restored, noon.Add(time.Hour), incident.Restored, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for _, named := range []bool{true, false} {
				s := fresh(t)
				s.onResource(t, "fl-1", "vpc-1", inventory.Gone, tt.state, func(i *incident.Incident) {
					i.WaitUntil = tt.until
					if named {
						i.EventID = "e-1"
					}
				})
				s.put(t, func(tx *Tx) error {
					if !named {
						if err := tx.AddHistory(scope, "fl-1", incident.Entry{EventID: "e-1"}, true); err != nil {
							return err
						}
					}
					open, err := tx.EventOpen(scope, "e-1", noon)
					if err != nil {
						return err
					}
					states, err := tx.EventStates(scope, "e-1", true, noon)
					if want := map[incident.State]int{tt.counts: 1}; open != tt.open || !maps.Equal(states, want) {
						t.Errorf("named %v: open %v, %v; want %v, %v", named, open, states, tt.open, want)
					}
					return err
				})
			}
		})
	}
}
