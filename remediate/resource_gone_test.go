package remediate_test

import (
	"net/http"
	"testing"
	"time"

	"flowkeeper/alert"
	"flowkeeper/internal/fakeaws"
	"flowkeeper/internal/fakeaws/fakeawstest"
	"flowkeeper/remediate/incident"
)

func TestResourceGone(t *testing.T) {
	t.Parallel()
	s, id := protectedOne(t)
	f := s.attack(id)
	s.world.RemoveResource(account, region, "vpc-1")
	s.deliver(f)
	s.reconcile()
	s.wantState(id, incident.Open, "")
	s.advance(time.Minute)
	s.wantState(id, incident.Open, "")
	s.advance(90 * time.Second)
	s.wantState(id, incident.Closed, incident.ResourceGone)
	s.wantAlertCounts(map[alert.Kind]int{alert.Deletion: 1, alert.Closed: 1})
	if s.creates() != 2 {
		t.Errorf("%d creates", s.creates())
	}
}

// TestResourceGoneNeedsTwoRefusalsInARow: a resource counts as gone only if AWS says twice that it does not
// exist, without another answer between them.
func TestResourceGoneNeedsTwoRefusalsInARow(t *testing.T) {
	t.Parallel()
	const notFound = "InvalidVpcID.NotFound"
	for name, between := range map[string]func(*scene){
		"refused":        func(s *scene) { s.world.Fail("CreateFlowLogs", 20, "UnauthorizedOperation", http.StatusForbidden) },
		"throttled":      func(s *scene) { s.world.Throttle("CreateFlowLogs", 3) },
		"already exists": func(s *scene) { s.world.Fail("CreateFlowLogs", 3, "FlowLogAlreadyExists", http.StatusBadRequest) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s, id := protectedOne(t)
			s.world.Fail("CreateFlowLogs", 1, notFound, http.StatusBadRequest)
			between(s)
			s.world.Fail("CreateFlowLogs", 1, notFound, http.StatusBadRequest)
			s.deliver(s.attack(id))
			s.advance(10 * time.Hour)
			s.wantState(id, incident.Verified, "")
			s.wantRestored("vpc-1")
		})
	}
}

// TestAnObservationSaysNothingOfTheResource: only the answer of a create may show that a resource is gone, and
// not a refused observation, also after FlowLogAlreadyExists.
func TestAnObservationSaysNothingOfTheResource(t *testing.T) {
	t.Parallel()
	s, id := protectedOne(t)
	end, created := s.now.Add(10*time.Minute), false
	s.world.Meet(func(q *fakeaws.Request) fakeawstest.Refusal {
		after := created
		created = q.Operation == "CreateFlowLogs"
		switch {
		case !s.now.Before(end):
		case created:
			return fakeawstest.Refusal{Code: "FlowLogAlreadyExists"}
		case after:
			return fakeawstest.Refusal{Code: "InvalidVpcID.NotFound"}
		}
		return fakeawstest.Refusal{}
	})
	s.deliver(s.attack(id))
	s.advance(9 * time.Minute)
	s.wantState(id, incident.Open, "")
	s.advance(10 * time.Minute)
	s.wantRestored("vpc-1")
}

// TestAWSRemovesADeadVPCsFlowLogs: a VPC was deleted, and AWS has removed its flow logs without a call. The
// alert is informational if a create has shown by then that the VPC is gone. If a rule could excuse the loss, no
// create is tried within drift_wait, and the alert is critical.
func TestAWSRemovesADeadVPCsFlowLogs(t *testing.T) {
	t.Parallel()
	for level, prepare := range map[alert.Level]func(*scene){
		alert.Informational: func(*scene) {},
		alert.Critical: func(s *scene) { // a rule could excuse the loss
			s.policy.Rules = []incident.Rule{{Principal: ci, Action: incident.Alert}}
		},
	} {
		t.Run(string(level), func(t *testing.T) {
			t.Parallel()
			s := newScene(t)
			prepare(s)
			s.crash()
			id := s.protect(1)[0]
			s.world.RemoveResource(account, region, "vpc-1")
			s.refresh()
			s.advance(10 * time.Minute)
			s.wantState(id, incident.Closed, incident.ResourceGone)
			s.wantAlertCounts(map[alert.Kind]int{alert.Deletion: 1, alert.Closed: 1})
			if a := s.alerts(alert.Deletion)[0]; a.Level != level {
				t.Errorf("level %s", a.Level)
			}
			s.wantResolved()
		})
	}
}

// TestATornDownVPCIsRefreshed: a record of DeleteVpc asks for a refresh if the VPC has flow logs, so that their
// removal is noticed soon. A record of another VPC asks for none, and a forged one does not prevent a restore.
func TestATornDownVPCIsRefreshed(t *testing.T) {
	t.Parallel()
	s := newScene(t)
	s.protect(2)
	s.deliver(vpcDeleted("vpc-9"))
	if len(s.soon) != 0 {
		t.Error("a record about a VPC without flow logs asks for a refresh")
	}
	s.deliver(vpcDeleted("vpc-1"), vpcDeleted("vpc-2")) // the second record is forged
	if len(s.soon) == 0 {
		t.Fatal("no refresh is asked for")
	}
	s.world.RemoveResource(account, region, "vpc-1")
	s.refresh()
	s.advance(time.Hour)
	s.wantAlertCounts(map[alert.Kind]int{alert.Deletion: 1, alert.Closed: 1})
	if a := s.alerts(alert.Deletion)[0]; a.Level != alert.Informational {
		t.Errorf("%+v", a)
	}
	s.wantRestored("vpc-2")
}

// TestATornDownVPCNeedsNoEvent: after a record of DeleteVpc, the loss of the VPC's flow logs waits for no
// record, so that the alert knows that the VPC is gone, whether the record or the refresh comes first. If the
// record is forged, the flow log is restored at once, and the alert is urgent.
func TestATornDownVPCNeedsNoEvent(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ first, forged bool }{"the record is first": {true, false}, "the refresh is first": {false, false}, "the record is forged": {true, true}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s, id := protectedOne(t)
			if c.first {
				s.deliver(vpcDeleted("vpc-1"))
			}
			if c.forged {
				s.attack(id)
			} else {
				s.world.RemoveResource(account, region, "vpc-1")
			}
			s.refresh()
			if !c.first {
				s.advance(10 * time.Second)
				s.deliver(vpcDeleted("vpc-1"))
			}
			s.advance(30 * time.Second)
			a := s.alerts(alert.Deletion)
			if len(a) != 1 || (a[0].Level == alert.Informational) == c.forged {
				t.Fatalf("alerted %+v", a)
			}
			s.advance(20 * time.Minute)
			if c.forged {
				s.wantRestored("vpc-1")
			} else {
				s.wantState(id, incident.Closed, incident.ResourceGone)
			}
			s.wantResolved()
		})
	}
}

// TestATornDownVPCIsOverdueInTime: after a record of DeleteVpc, a loss does not wait for drift_wait. So people
// are alerted five minutes after the loss that the flow log is not back.
func TestATornDownVPCIsOverdueInTime(t *testing.T) {
	t.Parallel()
	for name, first := range map[string]bool{"the record is first": true, "the refresh is first": false} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s, _ := protectedOne(t)
			s.world.Throttle("CreateFlowLogs", 1<<30)
			if first {
				s.deliver(vpcDeleted("vpc-1"))
			}
			s.world.RemoveResource(account, region, "vpc-1")
			s.refresh()
			if !first {
				s.advance(time.Second)
				s.deliver(vpcDeleted("vpc-1"))
			}
			s.advance(5*time.Minute + 5*time.Second)
			s.wantAlerts(alert.Blocked, 1)
		})
	}
}
