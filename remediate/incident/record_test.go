package incident

import (
	"testing"
	"time"
)

// TestI2ARecordOnlyTightens: whatever a second record says, the action of an
// incident never becomes looser.
func TestI2ARecordOnlyTightens(t *testing.T) {
	t.Parallel()
	for _, was := range []Action{Ignore, Alert, Wait, Restore} {
		for _, says := range []Action{Ignore, Alert, Wait, Restore} {
			i := lost()
			i.Action, i.EventID = was, "first"
			got := i.ApplyRecord(Record{EventID: "second", Time: noon, Rule: Rule{Action: says, Wait: time.Minute}}, noon)
			if got.Action != max(was, says) {
				t.Errorf("%d, then %d: %d", was, says, got.Action)
			}
			if got.EventID != "first" {
				t.Error("a later record took the incident over")
			}
		}
	}
}

func TestReopening(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		reason   string
		was      Action
		modeOnly bool
		says     Action
		reopens  bool
	}{
		{StillThere, Restore, false, Restore, true},
		{Exempt, Ignore, false, Ignore, false},
		{Exempt, Ignore, false, Restore, true},
		{AlertOnly, Alert, false, Restore, true},
		{AlertOnly, Alert, false, Alert, false},
		{AlertOnly, Restore, true, Restore, false},
		{ResourceGone, Restore, false, Restore, false},
		{Released, Restore, false, Restore, false},
		{Superseded, Restore, false, Restore, false},
		{Replaced, Wait, false, Restore, false},
	} {
		i := lost()
		i.State, i.Reason, i.Action, i.ModeOnly = Closed, c.reason, c.was, c.modeOnly
		got := i.ApplyRecord(Record{EventID: "other", Time: noon, Rule: Rule{Action: c.says}}, noon)
		if (got.State == Open) != c.reopens {
			t.Errorf("closed %s (action %d, mode %v), then a record that asks for %d: %s", c.reason, c.was, c.modeOnly, c.says, got.State)
		}
	}
}

// TestReopenedAnew: what a person asked for, or the mode decided, holds for
// one loss, not for the next of the same flow log.
func TestReopenedAnew(t *testing.T) {
	t.Parallel()
	i := lost()
	i.State, i.Reason, i.ModeOnly = Closed, AlertOnly, true
	i = i.Reopen(noon) // flowkeeper restore, after the mode was changed
	i.Requested = true
	i.State, i.Reason = Closed, StillThere
	i = i.ApplyRecord(Record{EventID: "other", Time: noon, Rule: Rule{Action: Restore}}, noon)
	if i.State != Open || i.Requested {
		t.Errorf("a later record: %s, requested %t", i.State, i.Requested)
	}
}
