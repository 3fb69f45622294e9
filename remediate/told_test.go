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
	"flowkeeper/remediate/incident"
)

// resolved checks that a pager that was opened is closed again.
func (s *scene) resolved() {
	s.t.Helper()
	closed := map[string]time.Time{}
	for _, a := range s.alerts(alert.Closed) {
		closed[a.DedupKey] = a.Time.Time
	}
	for _, k := range []alert.Kind{alert.Deletion, alert.Blocked, alert.Decoy, alert.Flapping} {
		for _, a := range s.alerts(k) {
			if at, ok := closed[a.DedupKey]; !ok || at.Before(a.Time.Time) {
				s.t.Errorf("%s (%s) of %s is never closed", a.Kind, a.Level, a.EventID)
			}
		}
	}
}

// TestI7EveryPagerResolves, whichever of several events named a flow log, and
// whenever they came.
func TestI7EveryPagerResolves(t *testing.T) {
	t.Parallel()
	t.Run("the event of a drift after the restore", func(t *testing.T) {
		t.Parallel()
		s, id := protectedOne(t)
		f := s.attack(id)
		s.refresh()
		s.pass(5 * time.Minute)
		s.is(id, incident.Restored, "")
		s.hear(f)
		s.pass(time.Hour)
		s.is(id, incident.Verified, "")
		s.resolved()
		s.told(map[alert.Kind]int{alert.Deletion: 2, alert.Restored: 1, alert.Closed: 2})
	})
	t.Run("the event of a drift that is blocked", func(t *testing.T) {
		t.Parallel()
		s, id := protectedOne(t)
		s.world.Deny("flowkeeper", "CreateFlowLogs")
		f := s.attack(id)
		s.refresh()
		s.pass(5 * time.Minute)
		s.is(id, incident.Blocked, incident.Permission)
		s.hear(f)
		s.world.Allow("flowkeeper", "CreateFlowLogs")
		s.pass(time.Hour)
		s.is(id, incident.Verified, "")
		s.resolved()
	})
	t.Run("several records of one loss, and of what is unknown", func(t *testing.T) {
		t.Parallel()
		s, id := protectedOne(t)
		f := s.attack(id)
		s.hear(f)
		s.hear(s.record(id, "fl-0000dead"))
		s.work()
		s.hear(s.record(id))
		s.hear(s.record("fl-0000dead"))
		s.pass(time.Hour)
		s.hear(s.record(id))
		s.pass(time.Hour)
		s.resolved()
	})
}

// protectTwo plants two flow logs with a destination each.
func (s *scene) protectTwo() (a, b string) {
	s.t.Helper()
	s.world.AddDestination("arn:aws:s3:::other")
	b = s.plant("vpc-2", func(f *fakeaws.FlowLog) { f.LogDestination = "arn:aws:s3:::other" })
	return s.protect(1)[0], b
}

// TestWhatIsStuckIsToldWithinHalfAMinute, though others of the event are still
// on their way.
func TestWhatIsStuckIsToldWithinHalfAMinute(t *testing.T) {
	t.Parallel()
	s := newScene(t)
	a, b := s.protectTwo()
	s.world.RemoveDestination(bucket)
	s.world.RemoveResource(account, region, "vpc-2") // asked twice, settle apart
	s.hear(s.attack(a))
	f := s.record(a, b)
	s.world.Remove(account, region, b)
	s.hear(f)
	s.pass(25 * time.Second)
	s.pass(10 * time.Second)
	s.wantAlerts(alert.Blocked, 1)
}

// TestRestoredAfterTheFirstFiveMinutes is told, though others are not back.
func TestRestoredAfterTheFirstFiveMinutes(t *testing.T) {
	t.Parallel()
	s := newScene(t)
	a, b := s.protectTwo()
	s.world.RemoveDestination("arn:aws:s3:::other")
	s.world.RemoveDestination(bucket)
	s.hear(s.attack(a, b))
	s.pass(6 * time.Minute)
	s.wantAlerts(alert.Restored, 0) // neither is back
	s.world.AddDestination(bucket)
	s.pass(time.Hour)
	s.is(a, incident.Verified, "")
	s.wantAlerts(alert.Restored, 1) // one is back
}

// refreshWhile refreshes, and does something before the second call that confirms losses.
func (s *scene) refreshWhile(do func()) {
	s.t.Helper()
	confirmations := 0
	s.answering(&calls{describe: func(_ int, in *ec2.DescribeFlowLogsInput) (*ec2.DescribeFlowLogsOutput, error) {
		if len(in.Filter) == 1 && aws.ToString(in.Filter[0].Name) == "flow-log-id" {
			if confirmations++; confirmations == 2 {
				do()
			}
		}
		return nil, nil
	}})
	s.refresh()
	s.r.Fleet = fleet{scope: s.api}
}

// TestADriftOfManyIsToldWhole, also where the first ones are told before the
// refresh has confirmed the last.
func TestADriftOfManyIsToldWhole(t *testing.T) {
	t.Parallel()
	s := configured(t, func(p *incident.Policy) { p.DriftWait = 0 })
	ids := s.protect(250)
	s.attack(ids...)
	s.refreshWhile(s.work)
	s.pass(time.Hour)
	for _, k := range []alert.Kind{alert.Deletion, alert.Restored} {
		if n := len(s.named(k)); n != 250 {
			t.Errorf("%d of 250 named by %s alerts", n, k)
		}
	}
	s.resolved()
}

// TestANewDestinationThatFails is told as both.
func TestANewDestinationThatFails(t *testing.T) {
	t.Parallel()
	s := newScene(t)
	s.protect(1)
	id := s.plant("vpc-2", func(f *fakeaws.FlowLog) { f.LogDestination = bucket + "/elsewhere" })
	s.world.FailDelivery(account, region, id, "Access error")
	for range 3 {
		s.refresh()
		s.now = s.now.Add(time.Hour)
	}
	s.told(map[alert.Kind]int{alert.Destination: 1, alert.Pipeline: 1})
}

// TestRehearsalOfManyTellsOfEachKind, though one alone has more flow logs than
// alerts name.
func TestRehearsalOfManyTellsOfEachKind(t *testing.T) {
	t.Parallel()
	s := newScene(t)
	s.world.AddDestination("arn:aws:s3:::zzz")
	for n := range 1001 {
		s.plant(fmt.Sprintf("vpc-%d", n), nil)
	}
	s.plant("vpc-z", func(f *fakeaws.FlowLog) { f.LogDestination = "arn:aws:s3:::zzz" })
	s.refresh()
	s.answering(&calls{create: func(_ int, in *ec2.CreateFlowLogsInput) (*ec2.CreateFlowLogsOutput, error) {
		what := "logs:CreateLogDelivery"
		if strings.HasSuffix(aws.ToString(in.LogDestination), "zzz") {
			what = "iam:PassRole"
		}
		return nil, &smithy.GenericAPIError{Code: "UnauthorizedOperation", Message: "not authorized to perform: " + what}
	}})
	s.rehearse()
	told := map[string]bool{}
	for _, a := range s.alerts(alert.Pipeline) {
		for _, f := range a.FlowLogs {
			told[f.ResourceID] = true
		}
	}
	if !told["vpc-z"] || !told["vpc-0"] {
		t.Errorf("%d alerts name %d flow logs, not all kinds", len(s.alerts(alert.Pipeline)), len(told))
	}
}

// TestFlappingIsToldThoughItIsBackAtOnce: a person restores it by hand before
// people have heard of it.
func TestFlappingIsToldThoughItIsBackAtOnce(t *testing.T) {
	t.Parallel()
	s := newScene(t)
	s.protect(1)
	for range 5 {
		s.attackAndWork(s.restored("vpc-1").ID)
	}
	last := s.restored("vpc-1").ID
	s.attackAndWork(last)
	s.is(last, incident.Open, "")
	if _, _, err := s.r.RestoreByHand(t.Context(), scope, last); err != nil {
		t.Fatal(err)
	}
	s.hear(s.attack(s.restored("vpc-1").ID))
	s.pass(15 * time.Minute)
	s.restored("vpc-1")
	s.wantAlerts(alert.Flapping, 1)
}

// TestADeletionAlertPromisesNothingThatWillNotCome, where that is known at once.
func TestADeletionAlertPromisesNothingThatWillNotCome(t *testing.T) {
	t.Parallel()
	s, id := protectedOne(t)
	s.hear(s.record("fl-0000dead"))
	s.release(time.Hour)
	s.attackAndWork(id)
	for n, want := range []string{"never seen in AWS", "it was released"} {
		if a := s.alerts(alert.Deletion)[n]; !strings.Contains(a.Text, want) || !strings.Contains(a.Text, "Flowkeeper: does not restore it") {
			t.Errorf("%s", a.Text)
		}
	}
	s.is(id, incident.Closed, incident.Released)
}

// TestFlappingIsAlwaysTold, however the deletions fall between the restores.
func TestFlappingIsAlwaysTold(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		interval, pause time.Duration
		times           int
	}{{10 * time.Minute, 9*time.Minute + 40*time.Second, 18}, {10 * time.Minute, time.Minute, 180}, {20 * time.Second, 5 * time.Second, 100}} {
		t.Run(fmt.Sprintf("restored every %s, deleted every %s", c.interval, c.pause), func(t *testing.T) {
			t.Parallel()
			s := configured(t, func(p *incident.Policy) { p.RestoreInterval = c.interval })
			s.protect(1)
			for range c.times {
				if here := s.here("vpc-1"); len(here) == 1 {
					s.hear(s.attack(here[0].ID))
				}
				s.pass(c.pause)
			}
			if n := len(s.alerts(alert.Flapping)); n == 0 {
				t.Errorf("%d creates, %d alerts flapping", s.creates(), n)
			}
		})
	}
}

// TestFlappingIsToldBeforeTheEnd: it was to be told later, and all is over before.
func TestFlappingIsToldBeforeTheEnd(t *testing.T) {
	t.Parallel()
	s := configured(t, func(p *incident.Policy) {
		p.MaxRestores, p.RestoreInterval, p.VerifyAfter = 1, 4*time.Minute, time.Minute
	})
	const elsewhere = bucket + "-2"
	s.world.AddDestination(elsewhere)
	other := s.plant("vpc-2", func(f *fakeaws.FlowLog) { f.LogDestination = elsewhere })
	id := s.protect(1)[0]
	s.hear(s.attack(id))
	s.pass(time.Minute)
	id = s.restored("vpc-1").ID
	s.world.RemoveDestination(elsewhere)
	s.hear(s.attack(id, other))
	s.due(id, 2*time.Minute)
	s.pass(time.Minute)
	s.is(other, incident.Blocked, incident.Destination)
	s.told(map[alert.Kind]int{alert.Deletion: 2, alert.Restored: 1, alert.Closed: 1, alert.Blocked: 1})
	s.world.AddDestination(elsewhere)
	s.pass(time.Hour)
	s.wantAlerts(alert.Flapping, 1)
	s.resolved()
}

// TestAnotherReasonIsOneAlert of an event, too.
func TestAnotherReasonIsOneAlert(t *testing.T) {
	t.Parallel()
	s := newScene(t)
	ids := s.protect(12)
	s.world.Deny("flowkeeper", "CreateFlowLogs")
	s.hear(s.attack(ids...))
	s.pass(20 * time.Minute)
	before := len(s.alerts(alert.Blocked))
	s.world.Allow("flowkeeper", "CreateFlowLogs")
	s.world.RemoveDestination(bucket)
	s.pass(time.Hour)
	if n := len(s.alerts(alert.Blocked)); n > before+1 {
		t.Errorf("%d alerts, then %d", before, n)
	}
}

// TestI7WhatAPersonAskedForResolves: blocked, and back later.
func TestI7WhatAPersonAskedForResolves(t *testing.T) {
	t.Parallel()
	s, id := protectedOne(t)
	s.world.Deny("flowkeeper", "CreateFlowLogs")
	s.attack(id)
	_, _, err := s.r.RestoreByHand(t.Context(), scope, id)
	s.must(err)
	s.is(id, incident.Blocked, incident.Permission)
	s.world.Allow("flowkeeper", "CreateFlowLogs")
	s.pass(time.Hour)
	s.is(id, incident.Verified, "")
	s.resolved()
}

// TestADriftOfManyAdoptedThenLost: the first ones are adopted and told before
// the refresh has confirmed the last.
func TestADriftOfManyAdoptedThenLost(t *testing.T) {
	t.Parallel()
	s := configured(t, func(p *incident.Policy) { p.DriftWait = 0 })
	ids := s.protect(250)
	s.attack(ids...)
	for n := range 200 { // somebody put the first ones back
		s.plant(fmt.Sprintf("vpc-%d", n+1), nil)
	}
	s.refreshWhile(s.work)
	s.pass(time.Hour)
	if n := len(s.named(alert.Restored)); n != 250 {
		t.Errorf("%d of 250 told as restored", n)
	}
	s.resolved()
}
