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

// TestResourceGoneNeedsTwoRefusalsInARow, and nothing else between them.
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

// TestAnObservationSaysNothingOfTheResource: after FlowLogAlreadyExists, too, however AWS refuses it.
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

// TestAWSRemovesADeadVPCsFlowLogs with no call: informational where that is known
// when people are alerted of it. Within drift_wait no create may ask.
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

// TestATornDownVPCIsRefreshed: a record of DeleteVpc asks for a refresh where
// flow logs are on it, so that AWS's silent removal is noticed soon; one of
// another VPC, or a forged one, changes nothing more.
func TestATornDownVPCIsRefreshed(t *testing.T) {
	t.Parallel()
	s := newScene(t)
	s.protect(2)
	s.deliver(torn("vpc-9"))
	if len(s.soon) != 0 {
		t.Error("a VPC without flow logs costs a refresh")
	}
	s.deliver(torn("vpc-1"), torn("vpc-2")) // the second is a lie
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

// TestATornDownVPCNeedsNoEvent: the loss of its flow logs has no record to wait for,
// so that it is known to be gone when it is alerted, whichever record comes first.
// Where the record lies, the flow log is back at once, and people are woken.
func TestATornDownVPCNeedsNoEvent(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ first, lies bool }{"the record is first": {true, false}, "the refresh is first": {false, false}, "the record lies": {true, true}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s, id := protectedOne(t)
			if c.first {
				s.deliver(torn("vpc-1"))
			}
			if c.lies {
				s.attack(id)
			} else {
				s.world.RemoveResource(account, region, "vpc-1")
			}
			s.refresh()
			if !c.first {
				s.advance(10 * time.Second)
				s.deliver(torn("vpc-1"))
			}
			s.advance(30 * time.Second)
			a := s.alerts(alert.Deletion)
			if len(a) != 1 || (a[0].Level == alert.Informational) == c.lies {
				t.Fatalf("alerted %+v", a)
			}
			s.advance(20 * time.Minute)
			if c.lies {
				s.wantRestored("vpc-1")
			} else {
				s.wantState(id, incident.Closed, incident.ResourceGone)
			}
			s.wantResolved()
		})
	}
}

// TestATornDownVPCIsOverdueInTime: where a record says that the VPC was deleted, there
// is no wait, and people are alerted after five minutes that the flow log is not back.
func TestATornDownVPCIsOverdueInTime(t *testing.T) {
	t.Parallel()
	for name, first := range map[string]bool{"the record is first": true, "the refresh is first": false} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s, _ := protectedOne(t)
			s.world.Throttle("CreateFlowLogs", 1<<30)
			if first {
				s.deliver(torn("vpc-1"))
			}
			s.world.RemoveResource(account, region, "vpc-1")
			s.refresh()
			if !first {
				s.advance(time.Second)
				s.deliver(torn("vpc-1"))
			}
			s.advance(5*time.Minute + 5*time.Second)
			s.wantAlerts(alert.Blocked, 1)
		})
	}
}
