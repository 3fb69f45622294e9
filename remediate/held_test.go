package remediate_test

import (
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/ec2"

	"flowkeeper/alert"
	"flowkeeper/internal/store"
	"flowkeeper/inventory"
	"flowkeeper/remediate/incident"
)

// heldDeletion returns a scene in which the deletion of the flow log young, with this event ID, is held: young was
// unknown when the record came, and the same principal had deleted an unknown flow log before.
func heldDeletion(t *testing.T) (s *scene, young, event string) {
	t.Helper()
	s = newScene(t)
	s.protect(1)
	young = s.plant("vpc-9", nil)
	s.deliver(s.recordBy(nobody, "", "", madeUpIDs(1, 0)...))
	s.reconcile()
	f := s.recordBy(nobody, "", "", young)
	s.deliver(f)
	s.wantAlerts(alert.Deletion, 1)
	return s, young, f.Record.EventID
}

// addToSnapshot writes a flow log into the snapshot as a refresh does with a page, before the refresh works on
// the incidents of unknown flow logs.
func (s *scene) addToSnapshot(id string) {
	s.t.Helper()
	f := s.row(s.flowLogsOn("vpc-1")[0].ID).FlowLog
	f.ID, f.ResourceID, f.CreatedAt = id, "vpc-9", s.now.Add(-time.Hour)
	s.must(s.store.Update(s.t.Context(), func(tx *store.Tx) error {
		return tx.PutFlowLog(inventory.Row{FlowLog: f, RootID: id, State: inventory.Live, Protected: true, FirstSeenAt: s.now, LastSeenAt: s.now, WrittenAt: s.now})
	}))
}

// TestAHeldDeletionThatTheRestorerFindsKnown: a refresh writes the flow log of a held deletion into the
// snapshot. The restorer works on the incident before the refresh does. The deletion must be alerted then, and
// closed later.
func TestAHeldDeletionThatTheRestorerFindsKnown(t *testing.T) {
	t.Parallel()
	s, young, event := heldDeletion(t)
	s.world.Remove(account, region, young)
	s.addToSnapshot(young)
	s.reconcile()
	all := s.alerts(alert.Deletion)
	if last := all[len(all)-1]; len(all) != 2 || last.EventID != event || len(last.FlowLogs) != 1 || last.FlowLogs[0].ResourceID != "vpc-9" {
		t.Fatalf("%d alerts of deletions, the last %+v", len(all), last)
	}
	s.advance(time.Hour)
	if n := len(s.alertsOf(alert.Closed, event)); n != 1 {
		t.Errorf("%d closed alerts, want 1", n)
	}
}

// TestAHeldDeletionThatRaisesItsLevel: a held deletion becomes critical when its flow log becomes known. The
// event must keep that level, so that the closed alert goes to the same sinks.
func TestAHeldDeletionThatRaisesItsLevel(t *testing.T) {
	t.Parallel()
	s, young, event := heldDeletion(t)
	s.changeEvent(event, func(e *incident.Event) { e.Level = alert.High }) // as for the role of a service
	s.world.Remove(account, region, young)
	s.addToSnapshot(young)
	s.reconcile()
	var level alert.Level
	s.changeEvent(event, func(e *incident.Event) { level = e.Level })
	if all := s.alerts(alert.Deletion); all[len(all)-1].Level != alert.Critical || level != alert.Critical {
		t.Errorf("the alert has level %s, the event %s; want critical for both", all[len(all)-1].Level, level)
	}
}

// TestAHeldDeletionOfAReplacement: the record of a replacement's deletion comes before the answer of the create.
// The replacement is unknown then, so that its deletion is held. After the answer, it is alerted, restored and
// closed, each once.
func TestAHeldDeletionOfAReplacement(t *testing.T) {
	t.Parallel()
	s, id := protectedOne(t)
	s.deliver(s.recordBy(nobody, "", "", madeUpIDs(1, 0)...))
	s.deliver(s.attack(id))
	var event string
	s.answering(&calls{create: func(n int, in *ec2.CreateFlowLogsInput) (*ec2.CreateFlowLogsOutput, error) {
		out, err := s.api.CreateFlowLogs(t.Context(), in)
		if n == 1 && err == nil { // the record of its deletion comes before the answer
			f := s.recordBy(nobody, "", "", out.FlowLogIds[0])
			s.world.Remove(account, region, out.FlowLogIds[0])
			event = f.Record.EventID
			s.deliver(f)
		}
		return out, err
	}})
	s.reconcile()
	s.advance(time.Hour)
	s.wantRestored("vpc-1")
	for _, kind := range []alert.Kind{alert.Deletion, alert.Restored, alert.Closed} {
		if all := slices.DeleteFunc(s.alertsOf(kind, event), func(a alert.Alert) bool { return a.Repeats != nil }); len(all) != 1 {
			t.Errorf("%d %s alerts, want 1", len(all), kind)
		}
	}
}

// TestAPagerIsResolvedThoughItsIncidentWasDropped: if a scope has more than 10,000 incidents of unknown flow
// logs, the oldest are dropped. The incident in the pager that the deletion opened is resolved all the same.
func TestAPagerIsResolvedThoughItsIncidentWasDropped(t *testing.T) {
	t.Parallel()
	s := newScene(t) // no refresh is complete: AWS may still show the flow logs
	first := s.recordBy(nobody, "", "", madeUpIDs(1, 0)...)
	s.deliver(first)
	s.advance(time.Second)
	for _, n := range []int{10_000, 1} {
		s.must(s.store.Update(t.Context(), func(tx *store.Tx) (err error) {
			for k := range n {
				id := madeUpIDs(1, n+k)[0]
				err = errors.Join(err, tx.PutIncident(incident.Incident{Scope: scope, FlowLogID: id, RootID: id, State: incident.Open, DetectedAt: s.now}))
			}
			return err
		}))
	}
	if _, _, there, err := s.store.FindIncident(t.Context(), first.Record.FlowLogIDs[0]); there || err != nil {
		t.Fatalf("the incident is not dropped: %v", err)
	}
	s.now = s.now.Add(6 * time.Minute)
	s.must(s.r.NotifyDue(t.Context(), scope))
	opened, closed := s.alerts(alert.Deletion), s.alerts(alert.Closed)
	if opened[0].EventID != first.Record.EventID || len(closed) != 1 || closed[0].DedupKey != opened[0].DedupKey {
		t.Fatalf("%d closed alerts, want 1 with the dedup key of the deletion: %+v", len(closed), closed)
	}
}

// TestRepeatsAreInNoCampaign: a forged record has the event ID of a real deletion, and names an unknown flow
// log, so that it is held. The alert that sums it up must not open the campaign's incident again: nothing would
// resolve that.
func TestRepeatsAreInNoCampaign(t *testing.T) {
	t.Parallel()
	s, id := protectedOne(t)
	s.deliver(s.recordBy(nobody, "", "", madeUpIDs(1, 0)...))
	s.world.Remove(account, region, id)
	real := s.recordBy(nobody, "", "", id)
	s.deliver(real)
	twin := s.recordBy(nobody, "", "", madeUpIDs(1, 1)...)
	twin.Record.EventID = real.Record.EventID
	s.deliver(twin)
	s.advance(time.Hour)
	campaign := ""
	for _, a := range s.alerts(alert.Deletion) {
		if a.Repeats == nil {
			campaign += a.CampaignID
		} else if a.CampaignID != "" {
			t.Errorf("the alert about %d held calls is in campaign %s", a.Repeats.Calls, a.CampaignID)
		}
	}
	if n := len(s.alerts(alert.Deletion)); n != 3 || campaign == "" {
		t.Errorf("%d alerts, want 3; the real deletion is in campaign %q", n, campaign)
	}
}

// TestAHeldDeletionOfAKnownFlowLog: a deletion of two flow logs that the snapshot does not have is held. A
// refresh shows one of them: then the deletion is alerted, restored and closed.
func TestAHeldDeletionOfAKnownFlowLog(t *testing.T) {
	t.Parallel()
	s, _ := protectedOne(t)
	young := s.plant("vpc-9", nil)
	s.deliver(s.recordBy(nobody, "", "", madeUpIDs(1, 0)...))
	held := s.recordBy(nobody, "", "", append(madeUpIDs(1, 1), young)...)
	s.deliver(held)
	s.wantAlerts(alert.Deletion, 1)
	s.now = s.now.Add(time.Second)
	s.refresh()
	all := s.alerts(alert.Deletion)
	if len(all) != 2 || all[1].EventID != held.Record.EventID || len(all[1].FlowLogs) != 2 || all[1].Actor.ARN != nobody {
		t.Fatalf("%d alerts: %+v", len(all), all[len(all)-1])
	}
	s.world.Remove(account, region, young)
	s.advance(time.Hour)
	s.wantRestored("vpc-9")
	if n := len(s.alertsOf(alert.Closed, held.Record.EventID)); n != 1 {
		t.Errorf("%d closed alerts, want 1", n)
	}
}
