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

// held is a scene with the deletion of a flow log that was not known when its record
// came, held back as one of many.
func held(t *testing.T) (s *scene, young, event string) {
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

// addToSnapshot writes a flow log into the snapshot as a refresh does, page by page, before it
// asks what was not known.
func (s *scene) addToSnapshot(id string) {
	s.t.Helper()
	f := s.row(s.flowLogsOn("vpc-1")[0].ID).FlowLog
	f.ID, f.ResourceID, f.CreatedAt = id, "vpc-9", s.now.Add(-time.Hour)
	s.must(s.store.Update(s.t.Context(), func(tx *store.Tx) error {
		return tx.PutFlowLog(inventory.Row{FlowLog: f, RootID: id, State: inventory.Live, Protected: true, FirstSeenAt: s.now, LastSeenAt: s.now, WrittenAt: s.now})
	}))
}

// TestAHeldDeletionThatTheRestorerFindsKnown: a refresh writes a page of flow logs,
// and the restorer comes to one of them before the refresh asks for what was not known.
func TestAHeldDeletionThatTheRestorerFindsKnown(t *testing.T) {
	t.Parallel()
	s, young, event := held(t)
	s.world.Remove(account, region, young)
	s.addToSnapshot(young)
	s.reconcile()
	all := s.alerts(alert.Deletion)
	if last := all[len(all)-1]; len(all) != 2 || last.EventID != event || len(last.FlowLogs) != 1 || last.FlowLogs[0].ResourceID != "vpc-9" {
		t.Fatalf("%d alerts of deletions, the last %+v", len(all), last)
	}
	s.advance(time.Hour)
	if n := len(s.alertsOf(alert.Closed, event)); n != 1 {
		t.Errorf("%d ends", n)
	}
}

// TestAHeldDeletionThatRaisesItsLevel: the sink that got the alert because of its level gets
// its end, too.
func TestAHeldDeletionThatRaisesItsLevel(t *testing.T) {
	t.Parallel()
	s, young, event := held(t)
	s.changeEvent(event, func(e *incident.Event) { e.Level = alert.High }) // the role of a service, say
	s.world.Remove(account, region, young)
	s.addToSnapshot(young)
	s.reconcile()
	var level alert.Level
	s.changeEvent(event, func(e *incident.Event) { level = e.Level })
	if all := s.alerts(alert.Deletion); all[len(all)-1].Level != alert.Critical || level != alert.Critical {
		t.Errorf("alerted as %s, and its end goes to whom %s goes", all[len(all)-1].Level, level)
	}
}

// TestAHeldDeletionOfAReplacement that is recorded only after the record of its own
// deletion came: the answer of the create was late.
func TestAHeldDeletionOfAReplacement(t *testing.T) {
	t.Parallel()
	s, id := protectedOne(t)
	s.deliver(s.recordBy(nobody, "", "", madeUpIDs(1, 0)...))
	s.deliver(s.attack(id))
	var event string
	s.answering(&calls{create: func(n int, in *ec2.CreateFlowLogsInput) (*ec2.CreateFlowLogsOutput, error) {
		out, err := s.api.CreateFlowLogs(t.Context(), in)
		if n == 1 && err == nil { // its own deletion comes before the answer
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
			t.Errorf("%d alerts %s", len(all), kind)
		}
	}
}

// TestAPagerIsResolvedThoughItsIncidentWasDropped: incidents of flow logs that nobody
// ever saw go when they are too many, and with them what would end the event.
func TestAPagerIsResolvedThoughItsIncidentWasDropped(t *testing.T) {
	t.Parallel()
	s := newScene(t) // its first refresh is not complete: nothing is known to be unknown
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
		t.Fatalf("%d ends: %+v", len(closed), closed)
	}
}

// TestRepeatsAreInNoCampaign: a forged record that has the event ID of a deletion, and
// names what nobody ever saw, does not open the campaign's incident again: it may be
// over, and what resolves the repeats would not resolve that.
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
			t.Errorf("%d more are in campaign %s", a.Repeats.Calls, a.CampaignID)
		}
	}
	if n := len(s.alerts(alert.Deletion)); n != 3 || campaign == "" {
		t.Errorf("%d alerts, in campaign %q", n, campaign)
	}
}

// TestAHeldDeletionOfAKnownFlowLog: it was not known when its record came.
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
		t.Errorf("%d ends", n)
	}
}
