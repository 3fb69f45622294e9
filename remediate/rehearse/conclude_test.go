package rehearse

import (
	"reflect"
	"slices"
	"testing"
	"time"

	"flowkeeper/alert"
	"flowkeeper/inventory"
	"flowkeeper/remediate/delivery"
	"flowkeeper/remediate/incident"
	"flowkeeper/remediate/notify"
)

// TestWithOutage: which alerts of a rehearsal begin or end the outage, and whether the outage is stored.
func TestWithOutage(t *testing.T) {
	t.Parallel()
	refused, mended := alert.Alert{Kind: alert.Pipeline, Level: alert.High, DedupKey: "own"}, alert.Alert{Kind: alert.Pipeline, Level: alert.Informational, DedupKey: "own"}
	for name, tt := range map[string]struct {
		alerts              []alert.Alert
		alerted, allAllowed bool   // there is an outage that was alerted; AWS would allow all restores
		keyed               []bool // for each alert: it has the dedup key of the outage
		changes, fails      bool   // the stored outage changes; it begins
	}{
		"all are allowed as before":                {allAllowed: true},
		"some are refused as before":               {alerted: true},
		"one is refused":                           {alerts: []alert.Alert{refused}, keyed: []bool{true}, changes: true, fails: true},
		"one is allowed again, others are refused": {alerts: []alert.Alert{mended}, alerted: true, keyed: []bool{false}},
		"one is refused, another is allowed again": {alerts: []alert.Alert{refused, mended}, alerted: true, keyed: []bool{true, false}, changes: true, fails: true},
		"the last two are allowed again":           {alerts: []alert.Alert{mended, mended}, alerted: true, allAllowed: true, keyed: []bool{false, true}, changes: true},
		"what was refused has no flow logs left":   {alerted: true, allAllowed: true, keyed: []bool{true}, changes: true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			owed := withOutage(home, tt.alerts, tt.alerted, tt.allAllowed, time.Now())
			var keyed []bool
			for _, a := range owed {
				keyed = append(keyed, a.DedupKey == notify.OutageKey(home, alert.PartRehearsal))
			}
			note := notify.OutageAfter(home, alert.PartRehearsal, owed)
			changes := note != nil
			fails := changes && note.Alerted
			if !slices.Equal(keyed, tt.keyed) || changes != tt.changes || fails != tt.fails {
				t.Errorf("keyed %v, changes %v, fails %v; want %v, %v, %v", keyed, changes, fails, tt.keyed, tt.changes, tt.fails)
			}
		})
	}
}

// TestChanges: what a round of rehearsals changes in the store, compared with the round before.
func TestChanges(t *testing.T) {
	t.Parallel()
	answer := func(destination string, reason incident.Reason) Rehearsal {
		return Rehearsal{Scope: home, Target: delivery.Target{Destination: destination}, Reason: reason}
	}
	allowed, refused, other := answer("a", ""), answer("a", incident.Permission), answer("b", "")
	for name, tt := range map[string]struct {
		before   Stored
		found    Rehearsal
		complete bool
		dropped  int
		levels   []alert.Level
		alerted  bool // afterwards
	}{
		"it is allowed for the first time":        {Stored{}, allowed, true, 0, nil, false},
		"it is refused":                           {Stored{Rehearsals: []Rehearsal{allowed}}, refused, true, 0, []alert.Level{alert.High}, true},
		"it is still refused":                     {Stored{Rehearsals: []Rehearsal{refused}, Alerted: true}, refused, true, 0, nil, true},
		"it is allowed again":                     {Stored{Rehearsals: []Rehearsal{refused}, Alerted: true}, allowed, true, 0, []alert.Level{alert.Informational}, false},
		"it is allowed again, others had no turn": {Stored{Rehearsals: []Rehearsal{refused}, Alerted: true}, allowed, false, 0, []alert.Level{alert.Informational}, true},
		"another target is gone":                  {Stored{Rehearsals: []Rehearsal{other}}, allowed, true, 1, nil, false},
		"another target had no turn":              {Stored{Rehearsals: []Rehearsal{other}}, allowed, false, 0, nil, false},
		"the refused target is gone":              {Stored{Rehearsals: []Rehearsal{answer("b", incident.Permission)}, Alerted: true}, allowed, true, 1, []alert.Level{alert.Informational}, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			affected := map[delivery.Target][]inventory.Row{tt.found.Target: {{FlowLog: inventory.FlowLog{ID: "fl-1"}}}}
			c := rehearsals{tt.found.Target: tt.found}.changes(home, tt.before, affected, tt.complete, noon)
			alerted := tt.before.Alerted
			if note := notify.OutageAfter(home, alert.PartRehearsal, c.Alerts); note != nil {
				alerted = note.Alerted
			}
			var levels []alert.Level
			for _, a := range c.Alerts {
				levels = append(levels, a.Level)
			}
			if !slices.Equal(levels, tt.levels) || alerted != tt.alerted {
				t.Errorf("alerts %v, alerted %v; want %v, %v", levels, alerted, tt.levels, tt.alerted)
			}
			if len(c.Rehearsals) != 1 || c.Rehearsals[0] != tt.found || len(c.Dropped) != tt.dropped {
				t.Errorf("%+v", c)
			}
			if tt.dropped > 0 && c.Dropped[0] != tt.before.Rehearsals[0].Target {
				t.Errorf("dropped %+v", c.Dropped)
			}
		})
	}
}

// saves is a transaction that keeps what was saved.
type saves struct {
	Tx
	saved Changes
}

func (t *saves) SaveRehearsals(_ inventory.Scope, c Changes) error { t.saved = c; return nil }

// TestSaveNotesTheOutage: the commit that adds the alert of an outage's beginning or end also stores the outage.
func TestSaveNotesTheOutage(t *testing.T) {
	t.Parallel()
	key := notify.OutageKey(home, alert.PartRehearsal)
	for name, tt := range map[string]struct {
		added alert.Alert
		want  *notify.OutageNote
	}{
		"the outage begins": {alert.Alert{Kind: alert.Pipeline, Level: alert.High, DedupKey: key}, &notify.OutageNote{Scope: home, Part: alert.PartRehearsal, Alerted: true}},
		"the outage ends":   {alert.Alert{Kind: alert.Pipeline, Level: alert.Informational, DedupKey: key}, &notify.OutageNote{Scope: home, Part: alert.PartRehearsal}},
		"of another part":   {silence(home, noon, noon), nil},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			tx := &saves{}
			if err := save(tx, home, Changes{Alerts: []alert.Alert{tt.added}}); err != nil {
				t.Fatal(err)
			}
			if got := tx.saved.Outage; !reflect.DeepEqual(got, tt.want) || tx.saved.Alerts[0].Title == "" {
				t.Errorf("%+v, want %+v", got, tt.want)
			}
		})
	}
}
