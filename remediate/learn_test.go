package remediate_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"flowkeeper/alert"
	"flowkeeper/internal/fakeaws"
	"flowkeeper/inventory"
	"flowkeeper/remediate"
	"flowkeeper/remediate/incident"
)

// TestI5AStalePageRevivesNothing: a stale listing still shows a flow log that is gone in the snapshot. Its row
// must not change.
func TestI5AStalePageRevivesNothing(t *testing.T) {
	t.Parallel()
	s, id := protectedOne(t)
	s.attackAndReconcile(id)
	s.world.SetConsistencyDelay(time.Minute)
	before := s.row(id)
	if c := s.refresh(); c.Listed != 1 || c.Changed+c.New+c.Lost != 0 {
		t.Fatalf("want one listed flow log and no change in the snapshot: %+v", c)
	}
	if r := s.row(id); r.State != inventory.Gone || !r.GoneAt.Equal(before.GoneAt) {
		t.Errorf("%+v", r)
	}
}

// TestANewDestinationIsAlerted: a destination to which no flow log delivered before is alerted once. The
// destinations that the first refresh finds are not alerted.
func TestANewDestinationIsAlerted(t *testing.T) {
	t.Parallel()
	s := newScene(t)
	s.protect(2)
	s.wantAlertCounts(nil)
	s.world.AddDestination(evil)
	id := s.plant("vpc-1", func(f *fakeaws.FlowLog) { f.LogDestination = evil })
	s.deliver(s.recordOfCreate(id))
	s.refresh()
	s.plant("vpc-2", func(f *fakeaws.FlowLog) { f.LogDestination = bucket + "/new" })
	s.refresh()
	s.plant("vpc-1", func(f *fakeaws.FlowLog) { f.LogDestination = bucket + "/new" })
	s.refresh()
	s.wantAlertCounts(map[alert.Kind]int{alert.Destination: 2})
	if a := s.alerts(alert.Destination)[0]; a.Level != alert.High || a.Cause != evil || a.FlowLogs[0].FlowLogID != id || !strings.Contains(a.Text, "made by "+mallory) {
		t.Errorf("%+v", a)
	}
}

// TestADestinationThatIsNotOursIsAlertedAtFirst: a flow log delivers to a destination that
// inventory.destinations does not list. It is not protected, and even the first refresh alerts of it.
func TestADestinationThatIsNotOursIsAlertedAtFirst(t *testing.T) {
	t.Parallel()
	s := newScene(t)
	s.r.Policy.Destinations = []string{bucket}
	ours, theirs := s.plant("vpc-1", nil), s.plant("vpc-2", func(f *fakeaws.FlowLog) { f.LogDestination = "arn:aws:s3:::mallory" })
	s.refresh()
	s.refresh()
	if !s.row(ours).Protected || s.row(theirs).Protected {
		t.Error("the wrong ones are protected")
	}
	s.wantAlertCounts(map[alert.Kind]int{alert.Destination: 1})
	s.deliver(s.attack(theirs))
	s.advance(time.Hour)
	s.wantState(theirs, "closed", "exempt")
}

// TestI2ImportedActsOnlyByHand: a row was imported from a file, and AWS has never shown its flow log. No record
// and no refresh restores it, but a person can. When a listing shows it, it becomes a row like any other.
func TestI2ImportedActsOnlyByHand(t *testing.T) {
	t.Parallel()
	s, _ := protectedOne(t)
	s.advance(time.Hour)
	s.refresh()
	elsewhere := func(vpc string) func(*fakeaws.FlowLog) {
		return func(f *fakeaws.FlowLog) { f.LogDestination += "/" + vpc }
	}
	seen := s.plant("vpc-8", elsewhere("vpc-8"))
	at := s.now
	for id, vpc := range map[string]string{"fl-0000000000000beef": "vpc-7", "fl-0000000000000cafe": "vpc-9", seen: "vpc-8"} {
		row := s.row(s.flowLogsOn("vpc-1")[0].ID)
		row.ID, row.RootID, row.ResourceID, row.Tags = id, id, vpc, map[string]string{"Name": vpc}
		row.LogDestination += "/" + vpc
		s.world.AddResource(account, region, vpc)
		n, err := s.store.Import(t.Context(), []inventory.Row{row})
		if s.must(err); n != 1 {
			t.Fatalf("%d imported", n)
		}
	}
	s.deliver(s.record("fl-0000000000000beef"))
	s.advance(10 * time.Minute)
	s.wantState("fl-0000000000000beef", incident.Closed, incident.Unknown)
	s.refresh()
	s.advance(10 * time.Minute)
	if n := s.creates(); n != 0 {
		t.Errorf("%d creates of a flow log that AWS never showed", n)
	}
	s.deliver(s.record("fl-0000000000000beef"))
	s.advance(10 * time.Minute)
	s.wantState("fl-0000000000000beef", incident.Closed, incident.Unknown)

	if _, _, err := s.r.RestoreByHand(t.Context(), scope, "fl-0000000000000cafe"); err != nil {
		t.Fatal(err)
	}
	s.wantState("fl-0000000000000cafe", incident.Restored, "")
	if n := len(s.flowLogsOn("vpc-9")); n != 1 {
		t.Errorf("%d flow logs", n)
	}

	if r := s.row(seen); r.Imported || r.FirstSeenAt.After(at) {
		t.Errorf("%+v", r)
	}
	s.plant("vpc-6", elsewhere("vpc-8"))
	s.refresh()
	s.wantAlerts(alert.Destination, 0) // the import made the destination known
	s.attackAndReconcile(seen)
	s.wantState(seen, incident.Restored, "")
	if n := len(s.flowLogsOn("vpc-8")); n != 1 {
		t.Errorf("%d flow logs", n)
	}
}

// TestDestinationsOfAnotherConfiguration: a change of inventory.destinations also applies to flow logs that the
// snapshot already has.
func TestDestinationsOfAnotherConfiguration(t *testing.T) {
	t.Parallel()
	s := configured(t, func(p *incident.Policy) { p.Destinations = []string{"arn:aws:s3:::other"} })
	id := s.plant("vpc-1", nil)
	s.refresh()
	if s.row(id).Protected {
		t.Fatal("a flow log to a destination that is not listed is protected")
	}
	s.policy.Destinations = append(s.policy.Destinations, bucket)
	s.crash()
	s.now = s.now.Add(time.Hour)
	s.refresh()
	if r := s.row(id); !r.Protected || r.Excluded {
		t.Errorf("with its destination listed: %+v", r)
	}
	s.policy.Destinations = s.policy.Destinations[:1]
	s.crash()
	s.refresh()
	if r := s.row(id); r.Protected || !r.Excluded {
		t.Errorf("with its destination not listed any more: %+v", r)
	}
	s.deliver(s.attack(id))
	s.advance(time.Hour)
	s.wantState(id, incident.Closed, incident.Exempt)
	if a := s.alerts(alert.Deletion)[0]; a.Level != alert.Informational {
		t.Errorf("its deletion is alerted as %s", a.Level)
	}
}

// beforeUpdate is a store that calls first before its first transaction that writes.
type beforeUpdate struct {
	remediate.Store
	first func()
}

func (l *beforeUpdate) Update(ctx context.Context, fn func(remediate.Tx) error) error {
	if first := l.first; first != nil {
		l.first = nil
		first()
	}
	return l.Store.Update(ctx, fn)
}

// TestI5AnObservationThatCoversNothingShowsNothing: a step begins while a flow log is unknown, so that it
// observes no resource for it. A refresh learns the flow log meanwhile. The step must not conclude that the flow
// log is gone.
func TestI5AnObservationThatCoversNothingShowsNothing(t *testing.T) {
	t.Parallel()
	s, _ := protectedOne(t)
	id := s.plant("vpc-young", nil)
	s.deliver(s.record(id)) // forged: the flow log is alive
	s.r.Store = &beforeUpdate{s.store.Remediation(), func() { s.refresh() }}
	s.reconcileOnce()
	if s.row(id).State != inventory.Live {
		t.Error("a live flow log is marked gone")
	}
	s.advance(10 * time.Minute)
	s.wantState(id, incident.Closed, incident.StillThere)
}
