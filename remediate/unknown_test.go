package remediate_test

import (
	"slices"
	"testing"
	"time"

	"flowkeeper/alert"
	"flowkeeper/internal/store"
	"flowkeeper/inventory"
	"flowkeeper/remediate"
)

// incidents are the IDs of all flow logs that have one.
func (s *scene) incidents() (ids []string) {
	s.t.Helper()
	s.must(s.store.FindIncidents(s.t.Context(), store.Filter{}, func(i remediate.Incident) error {
		ids = append(ids, i.FlowLogID)
		return nil
	}))
	return ids
}

// TestI12UnknownFlowLogsOfOneRecordAreBounded: of a thousand flow logs that nobody ever
// saw the first ten get incidents; beside these the one that Flowkeeper knows, and
// one that has an incident, wherever the record names them. The alert names all. The
// same record again changes nothing.
func TestI12UnknownFlowLogsOfOneRecordAreBounded(t *testing.T) {
	t.Parallel()
	s := newScene(t)
	id := s.protect(1)[0]
	all := madeUpIDs(1000, 0)
	before := all[998]
	s.hear(s.record(before))
	all = append(all[:999:999], id)
	f := s.attack(id)
	f.Deleted, f.Record.FlowLogIDs = all, all
	s.hear(f)
	s.hear(f)
	got := s.incidents()
	if len(got) != 12 || !slices.Contains(got, id) || !slices.Contains(got, before) || !slices.Contains(got, all[9]) || slices.Contains(got, all[10]) {
		t.Errorf("%d incidents: %v", len(got), got)
	}
	a := s.alerts(alert.Deletion)
	if len(a) != 2 || len(a[1].FlowLogs) != 1000 {
		t.Fatalf("%d alerts, the last of %d flow logs", len(a), len(a[len(a)-1].FlowLogs))
	}
	events := []string(nil)
	s.must(s.store.View(t.Context(), func(tx remediate.Tx) (err error) { events, err = tx.EventsOf(scope, before); return err }))
	if !slices.Contains(events, f.Record.EventID) {
		t.Errorf("the incident that was there has %v", events)
	}
	s.pass(time.Hour)
	s.restored("vpc-1")
	s.resolved()
}

// TestUnknownFlowLogsBeforeTheFirstRefresh get an incident each: that refresh may come
// to know them.
func TestUnknownFlowLogsBeforeTheFirstRefresh(t *testing.T) {
	t.Parallel()
	s := newScene(t)
	s.hear(s.record(madeUpIDs(100, 0)...))
	if n := len(s.incidents()); n != 100 {
		t.Errorf("%d incidents", n)
	}
}

// TestAnUnknownFlowLogBeyondTheBoundComesBack if it is learned after all: the next
// refresh finds it gone.
func TestAnUnknownFlowLogBeyondTheBoundComesBack(t *testing.T) {
	t.Parallel()
	s := newScene(t)
	s.protect(1)
	id := s.plant("vpc-young", nil)
	s.hear(s.record(append(madeUpIDs(100, 0), id)...)) // AWS still shows it
	if slices.Contains(s.incidents(), id) {
		t.Fatal("it has an incident")
	}
	s.refresh()
	if s.row(id).State != inventory.Live {
		t.Fatal("not learned")
	}
	s.world.Remove(account, region, id)
	s.now = s.now.Add(time.Hour)
	s.refresh()
	s.pass(time.Hour)
	s.restored("vpc-young")
}
