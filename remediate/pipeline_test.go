package remediate_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/smithy-go"

	"flowkeeper/alert"
	"flowkeeper/internal/fakeaws"
	"flowkeeper/inventory"
	"flowkeeper/remediate/incident"
	"flowkeeper/remediate/rehearse"
)

// openPipelineAlerts are the titles of the pipeline alerts that no later alert resolves, by their dedup keys.
func (s *scene) openPipelineAlerts(t *testing.T) map[string]string {
	open := map[string]string{}
	for _, a := range s.alerts(alert.Pipeline) {
		if a.Resolves() {
			delete(open, a.DedupKey)
		} else {
			open[a.DedupKey] = a.Title
		}
	}
	return open
}

func (s *scene) rehearse() rehearse.Result {
	s.t.Helper()
	c, err := s.rehearser.Rehearse(s.t.Context(), scope, func() {})
	s.must(err)
	return c
}

func TestDeliveryThatFailsAndHeals(t *testing.T) {
	t.Parallel()
	s, ids := protected(t, 3)
	s.world.FailDelivery(account, region, ids[0], "Access error")
	s.world.FailDelivery(account, region, ids[2], "Rate limited")
	for range 3 {
		s.refresh()
		s.now = s.now.Add(time.Minute)
	}
	s.wantAlertCounts(map[alert.Kind]int{alert.Pipeline: 1})
	if a := s.alerts(alert.Pipeline)[0]; a.Level != alert.High || len(a.FlowLogs) != 2 || a.FlowLogs[0].FlowLogID != ids[0] ||
		a.Title != "Does not deliver: 2 flow logs in 111122223333 eu-west-1" || !strings.Contains(a.Text, "Rate limited") {
		t.Errorf("%+v", a)
	}
	s.crash()
	s.world.FailDelivery(account, region, ids[0], "")
	s.refresh()
	s.refresh()
	s.wantAlertCounts(map[alert.Kind]int{alert.Pipeline: 2})
	if a := s.alerts(alert.Pipeline)[1]; a.Level != alert.Informational || len(a.FlowLogs) != 1 || !strings.HasPrefix(a.Title, "Delivers again: the flow log of vpc-1") || a.DedupKey == s.alerts(alert.Pipeline)[0].DedupKey {
		t.Errorf("%+v", a)
	}
	s.world.FailDelivery(account, region, ids[2], "")
	s.now = s.now.Add(time.Minute)
	s.refresh()
	s.refresh()
	s.wantAlertCounts(map[alert.Kind]int{alert.Pipeline: 3})
	if a := s.alerts(alert.Pipeline); !a[2].Resolves() || a[2].DedupKey != a[0].DedupKey {
		t.Errorf("the alert with the key %s is not resolved: the last alert has the key %s", a[0].DedupKey, a[2].DedupKey)
	}
}

// TestAReplacementThatDoesNotDeliverIsAlertedOnce: verification and the refresh both notice that a replacement
// does not deliver. There is one alert, whichever comes first, and it does not say that a restore would be
// refused.
func TestAReplacementThatDoesNotDeliverIsAlertedOnce(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ before, after bool }{
		"by the refresh":             {before: true, after: true},
		"by verification":            {after: true},
		"by verification, and alone": {},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s, id := protectedOne(t)
			s.attackAndReconcile(id)
			s.world.FailDelivery(account, region, s.incident(id).NewID, "Access error")
			if c.before {
				s.now = s.now.Add(time.Second)
				s.refresh()
			}
			s.advance(12 * time.Minute)
			if c.after {
				s.refresh()
			}
			s.wantState(id, incident.Restored, incident.NotDelivering)
			s.wantAlertCounts(map[alert.Kind]int{alert.Deletion: 1, alert.Restored: 1, alert.Pipeline: 1})
			if a := s.alerts(alert.Pipeline)[0]; !c.before && (a.Part != alert.PartDelivery || a.Title != "Does not deliver: Access error (the flow log of vpc-1) in 111122223333 eu-west-1" ||
				!strings.Contains(a.Text, "but it does not deliver: Access error")) {
				t.Errorf("alerted %+v", a)
			}
			s.world.FailDelivery(account, region, s.incident(id).NewID, "")
			again := 1
			if c.after {
				s.refresh()
				again = 2
			}
			s.advance(20 * time.Minute)
			s.wantState(id, incident.Verified, "")
			s.wantAlertCounts(map[alert.Kind]int{alert.Deletion: 1, alert.Restored: 1, alert.Closed: 1, alert.Pipeline: again})
		})
	}
}

// TestDeliveryTroubleEndsWithItsFlowLog: a flow log that does not deliver is released and deleted. Its alert in
// the pager must not stay open for ever.
func TestDeliveryTroubleEndsWithItsFlowLog(t *testing.T) {
	t.Parallel()
	s, id := protectedOne(t)
	s.plant("vpc-9", nil)
	s.world.FailDelivery(account, region, id, "Access error")
	s.advance(3 * time.Minute)
	s.refresh()
	s.refresh()
	if len(s.openPipelineAlerts(t)) != 1 {
		t.Fatalf("not opened: %v", s.openPipelineAlerts(t))
	}
	s.release(24 * time.Hour)
	s.deliver(s.attack(id))
	for range 20 {
		s.advance(5 * time.Minute)
		s.refresh()
	}
	if row := s.row(id); row.State != inventory.Gone {
		t.Fatalf("the row of the deleted flow log is %s", row.State)
	}
	if open := s.openPipelineAlerts(t); len(open) != 0 {
		t.Errorf("open for ever: %v", open)
	}
}

// TestANewDestinationThatFails: a flow log has a new destination and does not deliver to it: there is an alert
// of each.
func TestANewDestinationThatFails(t *testing.T) {
	t.Parallel()
	s, _ := protectedOne(t)
	id := s.plant("vpc-2", func(f *fakeaws.FlowLog) { f.LogDestination = bucket + "/elsewhere" })
	s.world.FailDelivery(account, region, id, "Access error")
	for range 3 {
		s.refresh()
		s.now = s.now.Add(time.Hour)
	}
	s.wantAlertCounts(map[alert.Kind]int{alert.Destination: 1, alert.Pipeline: 1})
}

// TestARehearsalsAlertEndsWithItsFlowLog: a rehearsal was refused, and then the flow logs with that delivery
// target are deleted for good. Nothing can be mended any more, so that the alert in the pager must not stay
// open.
func TestARehearsalsAlertEndsWithItsFlowLog(t *testing.T) {
	t.Parallel()
	s, id := protectedOne(t)
	s.plant("vpc-9", func(f *fakeaws.FlowLog) { f.LogDestination = bucket + "/other/" })
	s.refresh()
	s.world.Fail("CreateFlowLogs", 1, "UnauthorizedOperation", 403)
	s.rehearse()
	if len(s.openPipelineAlerts(t)) != 1 {
		t.Fatalf("not opened: %v", s.openPipelineAlerts(t))
	}
	// The order of the two dry runs, and so the refused one, is random: delete both flow logs, and plant a third one.
	s.release(24 * time.Hour)
	s.deliver(s.attack(id, s.flowLogsOn("vpc-9")[0].ID))
	s.plant("vpc-10", func(f *fakeaws.FlowLog) { f.LogDestination = bucket + "/third/" })
	for range 4 {
		s.advance(5 * time.Minute)
		s.refresh()
	}
	s.rehearse()
	if open := s.openPipelineAlerts(t); len(open) != 0 {
		t.Errorf("open for ever: %v", open)
	}
}

// TestRehearsalOfManyAlertsOfEachKind: the alerts of a rehearsal name at most 1,000 flow logs. If one cause has more
// than that, the alerts of the other causes are still added.
func TestRehearsalOfManyAlertsOfEachKind(t *testing.T) {
	t.Parallel()
	s := newScene(t)
	s.world.AddDestination("arn:aws:s3:::zzz")
	for n := range 1001 {
		s.plant(fmt.Sprintf("vpc-%d", n), nil)
	}
	s.plant("vpc-z", func(f *fakeaws.FlowLog) { f.LogDestination = "arn:aws:s3:::zzz" })
	s.refresh()
	s.answering(&calls{create: func(_ int, in *ec2.CreateFlowLogsInput) (*ec2.CreateFlowLogsOutput, error) {
		action := "logs:CreateLogDelivery"
		if strings.HasSuffix(aws.ToString(in.LogDestination), "zzz") {
			action = "iam:PassRole"
		}
		return nil, &smithy.GenericAPIError{Code: "UnauthorizedOperation", Message: "not authorized to perform: " + action}
	}})
	s.rehearse()
	alerted := map[string]bool{}
	for _, a := range s.alerts(alert.Pipeline) {
		for _, f := range a.FlowLogs {
			alerted[f.ResourceID] = true
		}
	}
	if !alerted["vpc-z"] || !alerted["vpc-0"] {
		t.Errorf("%d alerts name %d flow logs, but not vpc-0 and vpc-z", len(s.alerts(alert.Pipeline)), len(alerted))
	}
}

// TestRehearsalObservesFirst: a rehearsal calls DescribeFlowLogs first, as a restore does, and is refused if
// that is. When it is allowed again, a blocked incident is tried again at once.
func TestRehearsalObservesFirst(t *testing.T) {
	t.Parallel()
	s := newScene(t)
	id := s.protect(2)[0]
	s.world.Deny("flowkeeper", "DescribeFlowLogs")
	s.attackAndReconcile(id)
	s.wantState(id, incident.Blocked, incident.Permission)
	if c := s.rehearse(); c != (rehearse.Result{Tried: 1, Refused: 1}) {
		t.Errorf("%+v", c)
	}
	s.advance(20 * time.Minute)
	s.now = s.now.Add(time.Second) // the next attempt is due in up to fifteen minutes
	s.world.Allow("flowkeeper", "DescribeFlowLogs")
	if c := s.rehearse(); c != (rehearse.Result{Tried: 1}) {
		t.Errorf("%+v", c)
	}
	s.reconcile()
	s.wantState(id, incident.Restored, "")
}

// TestI4ARehearsalSpendsNoToken: the dry run of a rehearsal does not use the ClientToken of the create that
// follows it.
func TestI4ARehearsalSpendsNoToken(t *testing.T) {
	t.Parallel()
	s, id := protectedOne(t)
	s.rehearse()
	s.attackAndReconcile(id)
	s.wantState(id, incident.Restored, "")
}
