package remediate_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/ec2"

	"flowkeeper/alert"
	"flowkeeper/internal/fakeaws"
	"flowkeeper/internal/fakeaws/fakeawstest"
	"flowkeeper/remediate/incident"
)

func besideTheBucket(f *fakeaws.FlowLog) { f.LogDestination = bucket + "/evil" }

// setQuota lets AWS allow so many flow logs of one resource.
func (s *scene) setQuota(n int) {
	s.world.Configure(func(e *fakeawstest.EC2Settings) { e.Quota = n })
}

// wantAdvice checks that the one alert of the block says the same as its incident: these parts.
func (s *scene) wantAdvice(lost string, parts ...string) {
	s.t.Helper()
	i := s.wantState(lost, incident.Blocked, incident.Limit)
	all := s.alerts(alert.Blocked)
	if len(all) != 1 {
		s.t.Fatalf("%d alerts", len(all))
	}
	for _, part := range parts {
		if !strings.Contains(i.Advice, part) || !strings.Contains(all[0].Text, part) {
			s.t.Errorf("%q is not in %q, or not in %q", part, i.Advice, all[0].Text)
		}
	}
}

func remove(id string) string {
	return "such as " + id + ": `aws ec2 delete-flow-logs --region " + region + " --flow-log-ids " + id + "`"
}

// TestTheLimitNamesWhatHasJustAppeared: an attacker takes the place of what he deletes, before any
// record or refresh shows who does. The alert names his flow log, and none of ours to delete.
func TestTheLimitNamesWhatHasJustAppeared(t *testing.T) {
	t.Parallel()
	for name, ours := range map[string]int{"the only place": 0, "beside one of ours": 1} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newScene(t)
			lost := s.plant("vpc-1", nil)
			for range ours {
				s.plant("vpc-1", func(f *fakeaws.FlowLog) { f.LogDestination = bucket + "/ours" })
			}
			s.learn()
			f := s.attack(lost)
			his := s.plant("vpc-1", besideTheBucket)
			s.setQuota(1 + ours)
			s.deliver(f)
			s.advance(time.Minute)
			s.wantAdvice(lost, "on vpc-1 are "+his+" (to "+bucket+"/evil, not protected: it has just appeared)", remove(his))
			s.world.Remove(account, region, his)
			s.advance(20 * time.Minute)
			s.wantState(lost, incident.Verified, "")
		})
	}
}

// TestTheLimitWithinAGroup: the places of some of them are taken. These go alone, and the alert
// names what takes them; the others are back at once.
func TestTheLimitWithinAGroup(t *testing.T) {
	t.Parallel()
	s := newScene(t)
	ids, were := s.plantMany(20, 0, 0)
	f := s.attack(ids...)
	his := []string{s.plant("vpc-3", besideTheBucket), s.plant("vpc-4", besideTheBucket)}
	s.setQuota(1)
	s.deliver(f)
	s.reconcile()
	if n := len(s.world.FlowLogs(account, region)); n != 20 {
		t.Errorf("%d are there at once", n)
	}
	s.advance(time.Minute)
	s.wantAdvice(ids[3], remove(his[0]))
	if i := s.wantState(ids[4], incident.Blocked, incident.Limit); !strings.Contains(i.Advice, remove(his[1])) {
		t.Error(i.Advice)
	}
	for _, id := range his {
		s.world.Remove(account, region, id)
	}
	s.advance(40 * time.Minute)
	s.wantAllRestored(were)
}

// TestTheLimitSaysToReleaseFirst: where all that holds the places is protected, deleting one of these
// alone would have it restored.
func TestTheLimitSaysToReleaseFirst(t *testing.T) {
	t.Parallel()
	s := newScene(t)
	lost := s.plant("vpc-1", nil)
	ours := s.plant("vpc-1", func(f *fakeaws.FlowLog) { f.LogDestination = bucket + "/ours" })
	s.learn()
	s.setQuota(1) // AWS has taken back a higher one
	s.deliver(s.attack(lost))
	s.advance(time.Minute)
	s.wantAdvice(lost, "such as "+ours+": `flowkeeper inventory release "+ours+" --for 1h`, then `aws ec2 delete-flow-logs --region "+region+" --flow-log-ids "+ours+"`")
	s.release(time.Hour, ours)
	s.deliver(s.attack(ours))
	s.advance(20 * time.Minute)
	s.wantState(lost, incident.Verified, "")
}

// TestTheLimitWhereNothingIsShown: AWS refuses the create for its limit, and then to show what is
// there. The alert is about the limit all the same.
func TestTheLimitWhereNothingIsShown(t *testing.T) {
	t.Parallel()
	s := newScene(t)
	lost := s.plant("vpc-1", nil)
	ours := s.plant("vpc-1", func(f *fakeaws.FlowLog) { f.LogDestination = bucket + "/ours" })
	s.learn()
	s.setQuota(1)
	s.deliver(s.attack(lost))
	refused := false
	s.answering(&calls{
		create: func(int, *ec2.CreateFlowLogsInput) (*ec2.CreateFlowLogsOutput, error) {
			refused = true
			return nil, nil
		},
		describe: func(int, *ec2.DescribeFlowLogsInput) (*ec2.DescribeFlowLogsOutput, error) {
			if refused {
				refused = false
				return nil, errors.Join(errors.New("no answer"), context.DeadlineExceeded)
			}
			return nil, nil
		},
	})
	s.reconcile()
	s.advance(time.Minute)
	s.wantAdvice(lost, "on vpc-1 are "+ours)
}
