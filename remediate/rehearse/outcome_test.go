package rehearse

import (
	"slices"
	"testing"
	"time"

	"flowkeeper/alert"
	"flowkeeper/inventory"
	"flowkeeper/remediate/notify"
)

// TestOutcome: which alerts of a rehearsal open or close an incident at a pager, and what is noted.
func TestOutcome(t *testing.T) {
	t.Parallel()
	scope := inventory.Scope{Account: "111122223333", Region: "eu-west-1"}
	refused, mended := alert.Alert{Level: alert.High, DedupKey: "own"}, alert.Alert{Level: alert.Informational, DedupKey: "own"}
	for name, tt := range map[string]struct {
		alerts              []alert.Alert
		alerted, allAllowed bool
		keyed               []bool // by the outage's key, of each alert
		changes, fails      bool
	}{
		"nothing is new":                         {allAllowed: true},
		"some are refused as before":             {alerted: true},
		"one is refused":                         {alerts: []alert.Alert{refused}, keyed: []bool{true}, changes: true, fails: true},
		"one is mended, others are refused":      {alerts: []alert.Alert{mended}, alerted: true, keyed: []bool{false}},
		"one is refused, another is mended":      {alerts: []alert.Alert{refused, mended}, alerted: true, keyed: []bool{true, false}, changes: true, fails: true},
		"the last two are mended":                {alerts: []alert.Alert{mended, mended}, alerted: true, allAllowed: true, keyed: []bool{false, true}, changes: true},
		"what was refused has no flow logs left": {alerted: true, allAllowed: true, keyed: []bool{true}, changes: true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			o := outcomeOf(scope, tt.alerts, tt.alerted, tt.allAllowed, time.Now())
			var keyed []bool
			for _, a := range o.alerts {
				keyed = append(keyed, a.DedupKey == notify.OutageKey(scope, notify.Rehearsing))
			}
			if !slices.Equal(keyed, tt.keyed) || o.changes != tt.changes || o.fails != tt.fails {
				t.Errorf("keyed %v, changes %v, fails %v; want %v, %v, %v", keyed, o.changes, o.fails, tt.keyed, tt.changes, tt.fails)
			}
		})
	}
}
