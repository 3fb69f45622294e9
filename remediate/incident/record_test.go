package incident

import (
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"flowkeeper/alert"
	"flowkeeper/inventory"
)

// TestI2ARecordOnlyTightens: whatever a second record says, the action of an
// incident never becomes looser.
func TestI2ARecordOnlyTightens(t *testing.T) {
	t.Parallel()
	for _, was := range []Action{Ignore, Alert, Wait, Restore} {
		for _, says := range []Action{Ignore, Alert, Wait, Restore} {
			i := lost()
			i.Action, i.EventID = was, "first"
			got := Record{EventID: "second", Time: noon, Rule: Rule{Action: says, Wait: time.Minute}}.applyTo(i, noon)
			if got.Action != max(was, says) {
				t.Errorf("%s, then a record with %s: the action is %s", was, says, got.Action)
			}
			if got.EventID != "first" {
				t.Error("a later record took the incident over")
			}
		}
	}
}

func TestReopening(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		reason   Reason
		was      Action
		modeOnly bool
		says     Action
		reopens  bool
	}{
		"AWS showed it":            {StillThere, Restore, false, Restore, true},
		"exempt, and still so":     {Exempt, Ignore, false, Ignore, false},
		"exempt, now restore":      {Exempt, Ignore, false, Restore, true},
		"alert only, now restore":  {AlertOnly, Alert, false, Restore, true},
		"alert only, and still so": {AlertOnly, Alert, false, Alert, false},
		"alert only by the mode":   {AlertOnly, Restore, true, Restore, false},
		"resource gone":            {ResourceGone, Restore, false, Restore, false},
		"released":                 {Released, Restore, false, Restore, false},
		"superseded":               {Superseded, Restore, false, Restore, false},
		"replaced":                 {Replaced, Wait, false, Restore, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			i := lost()
			i.State, i.Reason, i.Action, i.ModeOnly = Closed, c.reason, c.was, c.modeOnly
			got := Record{EventID: "other", Time: noon, Rule: Rule{Action: c.says}}.applyTo(i, noon)
			if (got.State == Open) != c.reopens {
				t.Errorf("closed %s (action %s, mode %v), then a record that asks for %s: %s", c.reason, c.was, c.modeOnly, c.says, got.State)
			}
		})
	}
}

// TestReopenedAnew: a person's request, or a decision because of the mode, holds for one loss, not for the next loss of
// the same flow log.
func TestReopenedAnew(t *testing.T) {
	t.Parallel()
	i := lost()
	i.State, i.Reason, i.ModeOnly = Closed, AlertOnly, true
	i = i.reopen(noon) // flowkeeper restore, after the mode was changed
	i.Requested = true
	i.State, i.Reason = Closed, StillThere
	i = Record{EventID: "other", Time: noon, Rule: Rule{Action: Restore}}.applyTo(i, noon)
	if i.State != Open || i.Requested {
		t.Errorf("a later record: %s, requested %t", i.State, i.Requested)
	}
}

// TestNew: a new incident freezes the settings that the snapshot has of the lost flow log, if it has any.
func TestNew(t *testing.T) {
	t.Parallel()
	row := live("fl-1", func(r *inventory.Row) { r.RootID = "fl-0" })
	common := Incident{Untried: true, Scope: scope, FlowLogID: "fl-1", State: Open, Keyed: true, DetectedAt: now, OpenedAt: now, NextAttemptAt: now}
	known, unknown := common, common
	known.Known, known.RootID, known.ResourceID, known.Frozen, known.FirstSeenAt, known.LastSeenAt = true, "fl-0", "vpc-1", wanted, row.FirstSeenAt, row.LastSeenAt
	unknown.RootID = "fl-1"
	if d := differences(known, New(scope, "fl-1", row, true, now)); d != "" {
		t.Errorf("known: %s", d)
	}
	if d := differences(unknown, New(scope, "fl-1", row, false, now)); d != "" {
		t.Errorf("unknown: %s", d)
	}
}

// TestReopen: reopen keeps the frozen settings, what the ClientToken depends on, and which alerts of the lineage were
// sent. It resets every other field. A new field that reopen must keep is to be added to stays.
func TestReopen(t *testing.T) {
	t.Parallel()
	stays := strings.Fields(`Scope FlowLogID RootID ResourceID Source EventID Actor Action DeletedAt DetectedAt LastSeenAt FirstSeenAt
		Known Frozen Generation Keyed RandomToken Untagged Flapping FlapAlerted Call NothingMadeAt LateDestination Untried`)
	full := Incident{State: Closed, Stuck: &Stuck{}, Actor: &alert.Actor{}, Frozen: wanted, Scope: scope, Call: &SentCall{}, MissingTags: map[string]string{"a": "b"}}
	fill(&full)
	got := full.reopen(now)
	v := reflect.ValueOf(got)
	for n := range v.NumField() {
		name := v.Type().Field(n).Name
		switch {
		case slices.Contains(stays, name):
			if !reflect.DeepEqual(v.Field(n).Interface(), reflect.ValueOf(full).Field(n).Interface()) {
				t.Errorf("%s does not stay", name)
			}
		case name == "State", name == "OpenedAt", name == "NextAttemptAt":
		case !v.Field(n).IsZero():
			t.Errorf("%s is still %v", name, v.Field(n))
		}
	}
	if got.State != Open || !got.OpenedAt.Equal(now) || !got.NextAttemptAt.Equal(now) {
		t.Errorf("%s, opened %s, due %s", got.State, got.OpenedAt, got.NextAttemptAt)
	}
}

// fill gives each field of a struct a value, if it has none. Structs, slices and maps in it must have one.
func fill(s any) {
	for _, f := range reflect.ValueOf(s).Elem().Fields() {
		switch {
		case !f.IsZero():
		case f.Type() == reflect.TypeFor[time.Time]():
			f.Set(reflect.ValueOf(noon))
		case f.Kind() == reflect.String:
			f.SetString("x")
		case f.Kind() == reflect.Bool:
			f.SetBool(true)
		default:
			f.SetInt(2)
		}
	}
}

// TestReopenable: which incidents a record may open again, and for which a record of one more
// deletion counts.
func TestReopenable(t *testing.T) {
	t.Parallel()
	modeOnly := func(i *Incident) { i.ModeOnly = true }
	for _, c := range []struct {
		name                                     string
		i                                        Incident
		final, counts, pending, terminal, awaits bool
	}{
		{"open", pending("fl-1"), false, true, true, false, false},
		{"blocked", blocked("fl-1", Role), false, true, true, false, false},
		{"restored", back("fl-1", "fl-2"), false, false, false, false, false},
		{"verified", back("fl-1", "fl-2", func(i *Incident) { i.State = Verified }), false, false, false, true, false},
		{"still there", closed("fl-1", StillThere), false, true, false, true, false},
		{"exempt", closed("fl-1", Exempt), false, false, false, true, false},
		{"alert only", closed("fl-1", AlertOnly), false, false, false, true, false},
		{"alert only, by the mode", closed("fl-1", AlertOnly, modeOnly), true, false, false, true, false},
		{"released", closed("fl-1", Released, func(i *Incident) { i.WaitUntil = now.Add(1) }), true, false, false, true, false},
		{"released, found gone by a refresh", closed("fl-1", Released, drifted, func(i *Incident) { i.WaitUntil = now.Add(1) }), true, false, false, true, true},
		{"released, after the wait", closed("fl-1", Released, drifted, func(i *Incident) { i.WaitUntil = now }), true, false, false, true, false},
		{"resource gone", closed("fl-1", ResourceGone), true, false, false, true, false},
		{"unknown", closed("fl-1", Unknown), true, false, false, true, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			got := [...]bool{c.i.final(), c.i.countsRecord(), c.i.Pending(), c.i.Terminal(), awaitsRecord(c.i, now)}
			if want := [...]bool{c.final, c.counts, c.pending, c.terminal, c.awaits}; got != want {
				t.Errorf("final, counts, pending, terminal, awaits a record: %v, want %v", got, want)
			}
		})
	}
}

// TestI4TheSameRecordAgain: a record that is applied a second time at once changes nothing, whatever the incident was
// before.
func TestI4TheSameRecordAgain(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		i := pending("fl-1")
		i.State = rapid.SampledFrom([]State{Open, Restored, Verified, Blocked, Closed}).Draw(t, "state")
		i.Reason = rapid.SampledFrom([]Reason{StillThere, Exempt, AlertOnly, Released, Unknown}).Draw(t, "reason")
		i.Source = rapid.SampledFrom([]string{ByEvent, ByDrift}).Draw(t, "source")
		i.Action = rapid.SampledFrom([]Action{Ignore, Alert, Wait, Restore}).Draw(t, "action")
		i.ModeOnly = rapid.Bool().Draw(t, "by the mode")
		rec := Record{EventID: "e-2", Time: now, Unreleased: rapid.Bool().Draw(t, "unreleased"),
			Rule: Rule{Action: rapid.SampledFrom([]Action{Ignore, Alert, Wait, Restore}).Draw(t, "rule"), Wait: time.Hour}}
		once := rec.applyTo(i, now)
		if d := differences(once, rec.applyTo(once, now)); d != "" {
			t.Fatal(d)
		}
	})
}

// TestARecordDelaysNoRequest: a person has asked for the restore. A later record says who deleted the flow log, but no
// rule for that principal counts any more, neither its wait nor that it ignores the deletion.
func TestARecordDelaysNoRequest(t *testing.T) {
	t.Parallel()
	for _, rule := range []Rule{{Action: Wait, Wait: time.Hour}, {Action: Ignore}, {Action: Alert}, {Action: Restore}} {
		t.Run(rule.Action.String(), func(t *testing.T) {
			t.Parallel()
			i := lost()
			i.Source, i.Action, i.Requested = ByDrift, Restore, true
			due := i.OverdueAt(policy)
			got := Record{EventID: "e-2", Time: noon, Rule: rule}.applyTo(i, noon)
			if got.Action != Restore || !got.WaitUntil.IsZero() || !got.OverdueAt(policy).Equal(due) {
				t.Errorf("after a record with the rule %s: the action is %s, it waits until %s, and is overdue at %s, want %s", rule.Action, got.Action, got.WaitUntil, got.OverdueAt(policy), due)
			}
			if got.Source != ByEvent || got.EventID != "e-2" {
				t.Errorf("the record does not say who deleted it: %s, %s", got.Source, got.EventID)
			}
		})
	}
}
