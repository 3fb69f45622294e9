package store

import (
	"errors"
	"testing"

	"flowkeeper/alert"
	"flowkeeper/inventory"
	"flowkeeper/remediate/delivery"
	"flowkeeper/remediate/incident"
	"flowkeeper/remediate/notify"
	"flowkeeper/remediate/rehearse"
)

// TestRehearsals: rehearsals that were saved are loaded again, in their own scope only. Rehearsals that a change does
// not mention stay. The note that an alert says restores are refused is written together with this alert.
func TestRehearsals(t *testing.T) {
	t.Parallel()
	s := fresh(t)
	a := rehearse.Rehearsal{Scope: scope, Target: delivery.Target{Destination: "a"}, At: noon}
	b := rehearse.Rehearsal{Scope: scope, Target: delivery.Target{Destination: "b"}, At: noon, Reason: incident.Permission}
	changed := func(c rehearse.Changes) (now rehearse.Stored) {
		t.Helper()
		s.rehearsed(t, func(tx rehearse.Tx) (err error) {
			if err = tx.SaveRehearsals(scope, c); err == nil {
				now, err = tx.Rehearsals(scope)
			}
			return err
		})
		return now
	}
	now := changed(rehearse.Changes{Rehearsals: []rehearse.Rehearsal{a, b}, Alerts: []alert.Alert{{ID: "1", Kind: alert.Pipeline, Level: alert.High}}, Outage: &notify.OutageNote{Scope: scope, Part: alert.PartRehearsal, Alerted: true}})
	if len(now.Rehearsals) != 2 || now.Rehearsals[0] != a || now.Rehearsals[1] != b || !now.Alerted {
		t.Errorf("%+v", now)
	}
	if again := changed(rehearse.Changes{}); len(again.Rehearsals) != 2 || !again.Alerted {
		t.Errorf("after an empty change: %+v", again)
	}
	b.Reason = ""
	now = changed(rehearse.Changes{Rehearsals: []rehearse.Rehearsal{b}, Dropped: []delivery.Target{a.Target}, Alerts: []alert.Alert{{ID: "2", Kind: alert.Pipeline, Level: alert.Informational}}, Outage: &notify.OutageNote{Scope: scope, Part: alert.PartRehearsal}})
	if len(now.Rehearsals) != 1 || now.Rehearsals[0] != b || now.Alerted {
		t.Errorf("%+v", now)
	}
	s.rehearsed(t, func(tx rehearse.Tx) error {
		elsewhere, err := tx.Rehearsals(inventory.Scope{Account: scope.Account, Region: "eu-north-1"})
		if len(elsewhere.Rehearsals) > 0 || elsewhere.Alerted {
			t.Errorf("another Region has %+v, want nothing", elsewhere)
		}
		return err
	})
	if n, err := viewed(t.Context(), s.file, func(tx *Tx) (int, error) { return firstValue[int](tx, `SELECT count(*) FROM alerts`) }); n != 2 || err != nil {
		t.Errorf("%d alerts, want 2, %v", n, err)
	}
}

// TestPipelineHealth: the health that was saved is loaded again, in its own scope only. Its alerts are added in the
// same transaction.
func TestPipelineHealth(t *testing.T) {
	t.Parallel()
	s := fresh(t)
	health := rehearse.PipelineHealth{Instance: "x", Unanswered: 2, SilenceAlerted: true}
	s.put(t, func(tx *Tx) error {
		return tx.SavePipelineHealth(scope, health, []alert.Alert{{ID: "1", Kind: alert.Pipeline, Level: alert.High}})
	})
	s.put(t, func(tx *Tx) error {
		here, err := tx.PipelineHealth(scope)
		elsewhere, otherErr := tx.PipelineHealth(inventory.Scope{Account: scope.Account, Region: "eu-north-1"})
		n, countErr := firstValue[int](tx, `SELECT count(*) FROM alerts`)
		if here != health || elsewhere != (rehearse.PipelineHealth{}) || n != 1 {
			t.Errorf("%+v, elsewhere %+v, %d alerts", here, elsewhere, n)
		}
		return errors.Join(err, otherErr, countErr)
	})
}

// TestADamagedRehearsalHoldsNoRecordBack: the record of a dry run, which comes back through the queue, reads only the
// health of the pipeline. So a damaged row of a rehearsal does not make that record fail.
func TestADamagedRehearsalHoldsNoRecordBack(t *testing.T) {
	t.Parallel()
	s := fresh(t)
	health := rehearse.PipelineHealth{Instance: "x"}
	s.put(t, func(tx *Tx) error {
		return errors.Join(tx.SaveRehearsals(scope, rehearse.Changes{Rehearsals: []rehearse.Rehearsal{{Scope: scope, At: noon}}}), tx.SavePipelineHealth(scope, health, nil))
	})
	exec(t, s.w, `UPDATE rehearsals SET body = '{'`)
	s.put(t, func(tx *Tx) error {
		if _, err := tx.Rehearsals(scope); err == nil {
			t.Error("the damaged rehearsal is read")
		}
		got, err := tx.PipelineHealth(scope)
		if got != health {
			t.Errorf("%+v, want %+v", got, health)
		}
		return err
	})
}
