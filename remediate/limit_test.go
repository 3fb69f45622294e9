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

func toEvilPrefix(f *fakeaws.FlowLog) { f.LogDestination = bucket + "/evil" }

// setQuota sets how many flow logs of one resource AWS allows.
func (s *scene) setQuota(n int) {
	s.world.Configure(func(e *fakeawstest.EC2Settings) { e.Quota = n })
}

// wantAdvice checks that the incident is blocked by the limit, that there is one alert of that, and that both
// contain these parts.
func (s *scene) wantAdvice(lost string, parts ...string) {
	s.t.Helper()
	i := s.wantState(lost, incident.Blocked, incident.Limit)
	all := s.alerts(alert.Blocked)
	if len(all) != 1 {
		s.t.Fatalf("%d blocked alerts, want 1", len(all))
	}
	for _, part := range parts {
		if !strings.Contains(i.Advice, part) || !strings.Contains(all[0].Text, part) {
			s.t.Errorf("%q is not in the advice %q, or not in the alert %q", part, i.Advice, all[0].Text)
		}
	}
}

// deleteAdvice is the part of an advice that names a flow log, with the command that deletes it.
func deleteAdvice(id string) string {
	return "such as " + id + ": `aws ec2 delete-flow-logs --region " + region + " --flow-log-ids " + id + "`"
}

// TestTheLimitNamesWhatHasJustAppeared: an attacker deletes a flow log and creates his own, so that AWS's limit
// for the VPC is reached. No record or refresh has shown his flow log yet. The alert tells people to delete his
// flow log, and not a protected one.
func TestTheLimitNamesWhatHasJustAppeared(t *testing.T) {
	t.Parallel()
	for name, ours := range map[string]int{"no other flow log": 0, "next to a protected one": 1} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newScene(t)
			lost := s.plant("vpc-1", nil)
			for range ours {
				s.plant("vpc-1", func(f *fakeaws.FlowLog) { f.LogDestination = bucket + "/ours" })
			}
			s.learn()
			f := s.attack(lost)
			his := s.plant("vpc-1", toEvilPrefix)
			s.setQuota(1 + ours)
			s.deliver(f)
			s.advance(time.Minute)
			s.wantAdvice(lost, "on vpc-1 are "+his+" (to "+bucket+"/evil, not protected: it has just appeared)", deleteAdvice(his))
			s.world.Remove(account, region, his)
			s.advance(20 * time.Minute)
			s.wantState(lost, incident.Verified, "")
		})
	}
}

// TestTheLimitWithinAGroup: an attacker's flow logs use up the limit of two VPCs of a group. The other flow logs
// are restored at once. Those two go alone, and their alert names the attacker's flow logs.
func TestTheLimitWithinAGroup(t *testing.T) {
	t.Parallel()
	s := newScene(t)
	ids, planted := s.plantMany(20, 0, 0)
	f := s.attack(ids...)
	his := []string{s.plant("vpc-3", toEvilPrefix), s.plant("vpc-4", toEvilPrefix)}
	s.setQuota(1)
	s.deliver(f)
	s.reconcile()
	if n := len(s.world.FlowLogs(account, region)); n != 20 {
		t.Errorf("%d flow logs are there at once, want 20", n)
	}
	s.advance(time.Minute)
	s.wantAdvice(ids[3], deleteAdvice(his[0]))
	if i := s.wantState(ids[4], incident.Blocked, incident.Limit); !strings.Contains(i.Advice, deleteAdvice(his[1])) {
		t.Error(i.Advice)
	}
	for _, id := range his {
		s.world.Remove(account, region, id)
	}
	s.advance(40 * time.Minute)
	s.wantAllRestored(planted)
}

// TestTheLimitSaysToReleaseFirst: all flow logs that use up the limit are protected. If a person only deleted
// one, it would be restored. So the advice says to release it first.
func TestTheLimitSaysToReleaseFirst(t *testing.T) {
	t.Parallel()
	s := newScene(t)
	lost := s.plant("vpc-1", nil)
	ours := s.plant("vpc-1", func(f *fakeaws.FlowLog) { f.LogDestination = bucket + "/ours" })
	s.learn()
	s.setQuota(1) // AWS has lowered the limit
	s.deliver(s.attack(lost))
	s.advance(time.Minute)
	s.wantAdvice(lost, "such as "+ours+": `flowkeeper inventory release "+ours+" --for 1h`, then `aws ec2 delete-flow-logs --region "+region+" --flow-log-ids "+ours+"`")
	s.release(time.Hour, ours)
	s.deliver(s.attack(ours))
	s.advance(20 * time.Minute)
	s.wantState(lost, incident.Verified, "")
}

// TestTheLimitWhereNothingIsShown: AWS refuses the create because of its limit, and then does not answer the
// observation that would show which flow logs use it up. The alert is about the limit all the same.
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
