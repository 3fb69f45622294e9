package store

import (
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"

	"flowkeeper/inventory"
	"flowkeeper/remediate"
)

func TestCounts(t *testing.T) {
	t.Parallel()
	s := fresh(t)
	to := func(id, destination string) inventory.FlowLog {
		f := flowLog(id)
		f.LogDestination = "arn:aws:s3:::" + destination
		return f
	}
	s.learnAt(t, noon, to("fl-1", "good"), to("fl-2", "good"), to("fl-3", "bad"), to("fl-4", "new"), to("fl-5", "good"), to("fl-6", "good"))
	s.put(t, func(tx remediate.Tx) error {
		gone, decoy, imported := s.row(t, "fl-5"), s.row(t, "fl-6"), s.row(t, "fl-6")
		gone.State, decoy.Protected = inventory.Gone, false
		imported.ID, imported.Imported = "fl-7", true
		return errors.Join(tx.PutFlowLog(gone), tx.PutFlowLog(decoy), tx.PutFlowLog(imported),
			tx.PutRehearsal(remediate.Rehearsal{Scope: scope, Needs: remediate.NeedsOf(to("", "good")), At: noon}),
			tx.PutRehearsal(remediate.Rehearsal{Scope: scope, Needs: remediate.NeedsOf(to("", "bad")), At: noon, Reason: remediate.Permission}),
			tx.PutIncident(remediate.Incident{Scope: scope, FlowLogID: "fl-5", State: remediate.Blocked}))
	})
	want := Counts{
		FlowLogs:   map[string]int{"live": 6, "gone": 1},
		Incidents:  map[string]int{"blocked": 1},
		Restorable: map[string]int{"yes": 2, "no": 1, "unknown": 1},
	}
	if got, err := s.Counts(t.Context()); err != nil || !cmp.Equal(got, want) {
		t.Errorf("%v\n%s", err, cmp.Diff(want, got))
	}
}
