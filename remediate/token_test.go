package remediate_test

import (
	"crypto/sha256"
	"fmt"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"
	"github.com/aws/smithy-go"

	"flowkeeper/alert"
	"flowkeeper/internal/fakeaws"
	"flowkeeper/internal/fakeaws/fakeawstest"
	"flowkeeper/remediate/incident"
)

// publicToken is the ClientToken of a flow log's first create without a token key: anybody can compute it.
func publicToken(id string) string {
	return fmt.Sprintf("%x", sha256.Sum256(fmt.Appendf(nil, "flowkeeper\n%s\n%s\n0", scope, id)))
}

// useUp uses a token for a call with other parameters, as an attacker would do before the deletion.
func (s *scene) useUp(token string) {
	s.t.Helper()
	out, err := s.api.CreateFlowLogs(s.t.Context(), &ec2.CreateFlowLogsInput{ResourceIds: []string{"vpc-9"}, ResourceType: types.FlowLogsResourceTypeVpc,
		TrafficType: types.TrafficTypeReject, LogDestinationType: types.LogDestinationTypeS3, LogDestination: aws.String(bucket + "/" + token[:4]), ClientToken: &token})
	s.must(err)
	s.world.Remove(account, region, out.FlowLogIds[0])
}

// tokens are the ClientTokens of the creates so far, except those of useUp.
func (s *scene) tokens() (out []string) {
	for _, c := range s.world.Calls("CreateFlowLogs") {
		if c.Form.Get("ResourceId.1") != "vpc-9" {
			out = append(out, c.Form.Get("ClientToken"))
		}
	}
	return out
}

// withTokenKey gives the scene a token key, and plants a flow log on vpc-9, the resource of useUp.
func (s *scene) withTokenKey() *scene {
	s.policy.TokenKey = incident.SharedTokenKey("a secret")
	s.crash()
	s.plant("vpc-9", func(f *fakeaws.FlowLog) { f.LogDestination = bucket + "/elsewhere" })
	return s
}

// TestI4TokensCantBeUsedUpBeforehand: an attacker knows everything about a flow log except the token key. He
// can't compute the token that restores it, and so can't use it up before.
func TestI4TokensCantBeUsedUpBeforehand(t *testing.T) {
	t.Parallel()
	s := newScene(t).withTokenKey()
	id := s.protect(1)[0]
	s.useUp(publicToken(id))
	s.deliver(s.attack(id))
	s.advance(5 * time.Second)
	s.wantState(id, incident.Restored, "")
	s.wantRestored("vpc-1")
}

// TestI4AnOpenIncidentKeepsItsToken: an incident was opened by a version without a token key. After the upgrade
// its create is repeated with the same token, so that no second flow log is created.
func TestI4AnOpenIncidentKeepsItsToken(t *testing.T) {
	t.Parallel()
	s := newScene(t).withTokenKey()
	id := s.protect(1)[0]
	s.world.LoseAnswers("CreateFlowLogs", 1)
	s.deliver(s.attack(id))
	s.must(s.r.KeepObservation(t.Context(), scope, "vpc-1"))
	s.changeIncident(id, func(i *incident.Incident) { i.Keyed = false }) // as an older version stored it
	s.world.SetConsistencyDelay(30 * time.Second)
	s.advance(10 * time.Second)
	s.world.SetConsistencyDelay(0)
	s.advance(time.Minute)
	s.wantRestored("vpc-1")
	if got := s.tokens(); len(got) < 2 || slices.ContainsFunc(got, func(token string) bool { return token != publicToken(id) }) {
		t.Errorf("tokens %q, want %s alone", got, publicToken(id))
	}
}

// TestI4AUsedToken: an attacker knows the token key, and uses the token up. The flow log is restored after 15
// seconds all the same, with a random token that is stored before the call. People are alerted of the used
// token, also if other flow logs of the event are missing.
func TestI4AUsedToken(t *testing.T) {
	t.Parallel()
	for _, n := range []int{1, 3} {
		s := newScene(t).withTokenKey()
		var others []string // with other settings, so that they share no call with the first flow log
		for m := range n - 1 {
			others = append(others, s.plant(fmt.Sprintf("vpc-%d", m+2), rejects))
		}
		ids := append(s.protect(1), others...)
		used := s.policy.TokenKey.Token(incident.Incident{Scope: scope, FlowLogID: ids[0], Keyed: true})
		s.useUp(used)
		began := s.now
		s.deliver(s.attack(ids...))
		s.advance(14 * time.Second)
		if i := s.wantState(ids[0], incident.Blocked, incident.TokenUsed); i.RandomToken != "" || i.Advice == "" {
			t.Errorf("after 14 s the random token is %q, want none; the advice is %q", i.RandomToken, i.Advice)
		}
		for s.incident(ids[0]).RandomToken == "" {
			s.now = s.now.Add(100 * time.Millisecond)
			s.reconcileOnce()
		}
		random := s.incident(ids[0]).RandomToken
		if slices.Contains(s.tokens(), random) {
			t.Error("the call with the random token was made before the commit of the token")
		}
		s.crash() // between the commit and the call
		s.advance(time.Second)
		i := s.wantState(ids[0], incident.Restored, "")
		if blind := i.RestoredAt.Sub(began); blind > 17*time.Second || len(random) != 64 || s.tokens()[len(s.tokens())-1] != random {
			t.Errorf("restored after %s, with the random token %q; tokens of all calls: %q", blind, random, s.tokens())
		}
		s.wantRestored("vpc-1")
		if alerts := s.alerts(alert.Blocked); len(alerts) != 1 || alerts[0].FlowLogs[0].FlowLogID != ids[0] || alerts[0].FlowLogs[0].Reason != string(incident.TokenUsed) {
			t.Errorf("%d flow logs: alerts %+v", n, alerts)
		}
		if n, err := s.store.TokensUsed(t.Context()); n != 1 || err != nil {
			t.Errorf("%d tokens used, %v", n, err)
		}
		s.advance(15 * time.Minute)
		s.wantAlertCounts(map[alert.Kind]int{alert.Deletion: 1, alert.Blocked: 1, alert.Restored: 1, alert.Closed: 1})
	}
}

// TestI4AUsedTokenOfAnUnseenCreate: a create succeeded, its answer was lost, and AWS does not show the flow log
// yet. The repeat has other parameters, so AWS says that the token was used. No second flow log is created: the
// first one is adopted when AWS shows it.
func TestI4AUsedTokenOfAnUnseenCreate(t *testing.T) {
	t.Parallel()
	s := newScene(t).withTokenKey()
	s.world.AllowDuplicates(true)
	id := s.protect(1)[0]
	c := s.answering(&calls{create: func(n int, in *ec2.CreateFlowLogsInput) (*ec2.CreateFlowLogsOutput, error) {
		if n == 2 {
			in.TrafficType = types.TrafficTypeReject // as if an earlier version had sent other parameters
		}
		return nil, nil
	}})
	s.world.LoseAnswers("CreateFlowLogs", 1)
	f := s.attack(id)
	s.advance(time.Minute) // AWS shows the deletion in spite of the delay
	s.world.SetConsistencyDelay(10 * time.Second)
	s.deliver(f)
	s.advance(2 * time.Minute)
	s.wantRestored("vpc-1")
	if i := s.incident(id); !i.Adopted || c.creates.Load() != 2 {
		t.Errorf("%d creates, want 2; adopted: %v, want true", c.creates.Load(), i.Adopted)
	}
}

// TestI4AUsedTokenOfAGroup: as TestI4AUsedToken, with one call for several flow logs. One more call restores all
// of them, and one alert names all of them.
func TestI4AUsedTokenOfAGroup(t *testing.T) {
	t.Parallel()
	s := newScene(t).withTokenKey()
	ids, planted := s.plantMany(6, 0, 0)
	used := ""
	s.world.Meet(func(q *fakeaws.Request) fakeawstest.Refusal {
		if q.Operation == "CreateFlowLogs" && used == "" {
			used = q.Form.Get("ClientToken")
			s.world.UseToken(account, region, used)
		}
		return fakeawstest.Refusal{}
	})
	s.deliver(s.attack(ids...))
	began := s.now
	s.advance(10 * time.Second)
	if alerts := s.alerts(alert.Blocked); len(alerts) != 1 || len(alerts[0].FlowLogs) != len(ids) || alerts[0].FlowLogs[0].Reason != string(incident.TokenUsed) || alerts[0].FlowLogs[0].Advice == "" {
		t.Errorf("alerts after 10 s: %+v", alerts)
	}
	for s.incident(ids[0]).RandomToken == "" && s.now.Sub(began) < time.Minute {
		s.now = s.now.Add(100 * time.Millisecond)
		s.reconcileOnce()
	}
	if waited := s.now.Sub(began); waited < 15*time.Second || waited == time.Minute || s.creates() != 1 {
		t.Errorf("%d creates, want 1; a random token after %s, want 15s", s.creates(), waited)
	}
	s.crash() // between the commit and the call
	s.advance(time.Second)
	s.wantAllRestored(planted)
	tokens := s.tokens()
	if n := len(tokens); n != 2 || tokens[0] != used || tokens[1] == used {
		t.Errorf("tokens %q", tokens)
	}
	s.advance(15 * time.Minute)
	s.wantAlertCounts(map[alert.Kind]int{alert.Deletion: 1, alert.Blocked: 1, alert.Restored: 1, alert.Closed: 1})
}

// TestI4AUsedTokenOfAnUnseenGroup: as TestI4AUsedTokenOfAnUnseenCreate, with one call for several flow logs. AWS
// shows them long after people were alerted that the token was used. None is created twice.
func TestI4AUsedTokenOfAnUnseenGroup(t *testing.T) {
	t.Parallel()
	s := newScene(t).withTokenKey()
	s.world.AllowDuplicates(true)
	ids, planted := s.plantMany(6, 0, 0)
	c := s.answering(&calls{create: func(n int, in *ec2.CreateFlowLogsInput) (*ec2.CreateFlowLogsOutput, error) {
		if n == 2 {
			in.TrafficType = types.TrafficTypeReject // as if an earlier version had sent other parameters
		}
		return nil, nil
	}})
	s.world.LoseAnswers("CreateFlowLogs", 1)
	f := s.attack(ids...)
	s.advance(5 * time.Minute) // AWS shows the deletion in spite of the delay
	s.world.SetConsistencyDelay(100 * time.Second)
	s.deliver(f)
	s.advance(20 * time.Minute)
	s.wantAllRestored(planted)
	if n := c.creates.Load(); n != 2 {
		t.Errorf("%d creates", n)
	}
	s.wantAlertCounts(map[alert.Kind]int{alert.Deletion: 1, alert.Blocked: 1, alert.Restored: 1, alert.Closed: 1})
}

// TestI9AUsedTokenWhereNothingIsShown: an attacker has used the token up, and causes so many calls that AWS
// throttles the observation after the create. People are alerted of the used token all the same, and it is not
// tried again.
func TestI9AUsedTokenWhereNothingIsShown(t *testing.T) {
	t.Parallel()
	s := newScene(t).withTokenKey()
	id := s.protect(1)[0]
	s.useUp(s.policy.TokenKey.Token(incident.Incident{Scope: scope, FlowLogID: id, Keyed: true}))
	refused := false
	c := s.answering(&calls{
		create: func(int, *ec2.CreateFlowLogsInput) (*ec2.CreateFlowLogsOutput, error) {
			refused = true
			return nil, nil
		},
		describe: func(int, *ec2.DescribeFlowLogsInput) (*ec2.DescribeFlowLogsOutput, error) {
			if refused {
				refused = false
				return nil, &smithy.GenericAPIError{Code: "RequestLimitExceeded", Message: "too many"}
			}
			return nil, nil
		},
	})
	s.deliver(s.attack(id))
	s.advance(13 * time.Second)
	if alerts := s.alerts(alert.Blocked); len(alerts) != 1 || alerts[0].FlowLogs[0].Reason != string(incident.TokenUsed) {
		t.Errorf("alerts after 13 s: %+v", alerts)
	}
	if n := c.creates.Load(); n != 1 {
		t.Errorf("%d creates with the used token, want 1", n)
	}
	s.advance(7 * time.Second)
	s.wantState(id, incident.Restored, "")
	s.wantRestored("vpc-1")
}

// TestAUsedTokenByHand: a restore by hand, without a daemon, waits until a random token may be used.
func TestAUsedTokenByHand(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newScene(t).withTokenKey()
		s.bubble = true
		id := s.plant("vpc-1", nil)
		s.refresh()
		time.Sleep(time.Hour)
		s.useUp(s.policy.TokenKey.Token(incident.Incident{Scope: scope, FlowLogID: id, Keyed: true}))
		s.world.Remove(account, region, id)
		if i, _, err := s.r.RestoreByHand(t.Context(), scope, id); err != nil || i.State != incident.Restored || i.RandomToken == "" {
			t.Errorf("%s %s: %v", i.State, i.Reason, err)
		}
		s.wantRestored("vpc-1")
		s.must(s.store.Close())
	})
}

// TestI9TokensUsedWithoutEnd: AWS says of each token that it was used. Each attempt has another token, and
// attempts are as rare as those of other blocked incidents.
func TestI9TokensUsedWithoutEnd(t *testing.T) {
	t.Parallel()
	s := newScene(t).withTokenKey()
	id := s.protect(1)[0]
	mismatch := true
	s.answering(&calls{create: func(int, *ec2.CreateFlowLogsInput) (*ec2.CreateFlowLogsOutput, error) {
		if mismatch {
			return nil, &smithy.GenericAPIError{Code: "IdempotentParameterMismatch", Message: "used with other parameters"}
		}
		return nil, nil
	}})
	s.deliver(s.attack(id))
	var times []time.Time
	var seen []string
	for n, end := 0, s.now.Add(time.Hour); s.now.Before(end); s.advance(time.Second) {
		i := s.incident(id)
		if i.Tried > n {
			n = i.Tried
			times, seen = append(times, s.now), append(seen, s.policy.TokenKey.Token(i))
		}
	}
	if n := len(times); n < 7 || n > 10 {
		t.Errorf("%d creates within an hour, want 7 to 10", n)
	}
	slices.Sort(seen)
	if len(slices.Compact(seen)) != len(times) {
		t.Errorf("%d creates, but some have the same token", len(times))
	}
	s.wantAlertCounts(map[alert.Kind]int{alert.Deletion: 1, alert.Blocked: 1})
	mismatch = false
	s.advance(16 * time.Minute)
	s.wantRestored("vpc-1")
}

// TestI4TheLostOnesIDIsNoReplacement: AWS answers a create with the ID of the lost flow log. That is no
// replacement, so that the create is repeated.
func TestI4TheLostOnesIDIsNoReplacement(t *testing.T) {
	t.Parallel()
	s := newScene(t).withTokenKey()
	id := s.protect(1)[0]
	s.answering(&calls{create: func(n int, _ *ec2.CreateFlowLogsInput) (*ec2.CreateFlowLogsOutput, error) {
		if n == 1 {
			return &ec2.CreateFlowLogsOutput{FlowLogIds: []string{id}}, nil
		}
		return nil, nil
	}})
	s.deliver(s.attack(id))
	s.advance(20 * time.Second)
	s.wantState(id, incident.Restored, "")
	s.wantRestored("vpc-1")
}

// TestI4DaemonsWithOneKey: two daemons with the same token key make the same call, so that AWS creates one flow
// log, even where it allows two equal ones. With different keys they rely on AWS, which refuses the second.
func TestI4DaemonsWithOneKey(t *testing.T) {
	t.Parallel()
	for _, shared := range []bool{true, false} {
		s := newScene(t).withTokenKey()
		id := s.protect(1)[0]
		other := newScene(t)
		other.world, other.api, other.policy, other.now = s.world, s.api, s.policy, s.now
		if !shared {
			other.policy.TokenKey = incident.SharedTokenKey("another secret")
		}
		other.crash()
		other.refresh()
		s.world.AllowDuplicates(shared)
		f := s.attack(id)
		for _, d := range []*scene{s, other} { // both observe before one of them creates
			d.deliver(f)
			d.must(d.r.KeepObservation(t.Context(), scope, "vpc-1"))
		}
		s.reconcile()
		other.reconcile()
		s.wantRestored("vpc-1")
		if tokens := s.tokens(); len(tokens) != 2 || (tokens[0] == tokens[1]) != shared {
			t.Errorf("the same key: %v; tokens %q", shared, tokens)
		}
	}
}
