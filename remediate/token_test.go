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

// publicToken is the token of a flow log's first create as everybody could make it before
// there was a key.
func publicToken(id string) string {
	return fmt.Sprintf("%x", sha256.Sum256(fmt.Appendf(nil, "flowkeeper\n%s\n%s\n0", scope, id)))
}

// useUp uses a token for another call, as an attacker would beforehand.
func (s *scene) useUp(token string) {
	s.t.Helper()
	out, err := s.api.CreateFlowLogs(s.t.Context(), &ec2.CreateFlowLogsInput{ResourceIds: []string{"vpc-9"}, ResourceType: types.FlowLogsResourceTypeVpc,
		TrafficType: types.TrafficTypeReject, LogDestinationType: types.LogDestinationTypeS3, LogDestination: aws.String(bucket + "/" + token[:4]), ClientToken: &token})
	s.must(err)
	s.world.Remove(account, region, out.FlowLogIds[0])
}

// tokens of the creates so far, but for the attacker's.
func (s *scene) tokens() (out []string) {
	for _, c := range s.world.Calls("CreateFlowLogs") {
		if c.Form.Get("ResourceId.1") != "vpc-9" {
			out = append(out, c.Form.Get("ClientToken"))
		}
	}
	return out
}

func (s *scene) withTokenKey() *scene {
	s.policy.TokenKey = incident.SharedTokenKey("a secret")
	s.crash()
	s.plant("vpc-9", func(f *fakeaws.FlowLog) { f.LogDestination = bucket + "/elsewhere" })
	return s
}

// TestI4TokensCantBeUsedUpBeforehand: what everybody knows of a flow log does not give away the
// token that restores it.
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

// TestI4AnOpenIncidentKeepsItsToken over the upgrade to tokens with a key: a create that was
// sent before it is repeated as the same call.
func TestI4AnOpenIncidentKeepsItsToken(t *testing.T) {
	t.Parallel()
	s := newScene(t).withTokenKey()
	id := s.protect(1)[0]
	s.world.LoseAnswers("CreateFlowLogs", 1)
	s.deliver(s.attack(id))
	s.must(s.r.KeepObservation(t.Context(), scope, "vpc-1"))
	s.changeIncident(id, func(i *incident.Incident) { i.Keyed = false }) // as an older version wrote it
	s.world.SetConsistencyDelay(30 * time.Second)
	s.advance(10 * time.Second)
	s.world.SetConsistencyDelay(0)
	s.advance(time.Minute)
	s.wantRestored("vpc-1")
	if got := s.tokens(); len(got) < 2 || slices.ContainsFunc(got, func(token string) bool { return token != publicToken(id) }) {
		t.Errorf("tokens %q, want %s alone", got, publicToken(id))
	}
}

// TestI4AUsedToken: somebody knows the key, and uses the token up. The flow log is back
// after 15 seconds all the same, with a token that is on disk before the call, and people
// are alerted of it, whether or not other flow logs of the event are missing.
func TestI4AUsedToken(t *testing.T) {
	t.Parallel()
	for _, n := range []int{1, 3} {
		s := newScene(t).withTokenKey()
		var others []string // unlike the one: their creates share no call with its
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
			t.Errorf("a token after 14 s: %q; advice %q", i.RandomToken, i.Advice)
		}
		for s.incident(ids[0]).RandomToken == "" {
			s.now = s.now.Add(100 * time.Millisecond)
			s.reconcileOnce()
		}
		random := s.incident(ids[0]).RandomToken
		if slices.Contains(s.tokens(), random) {
			t.Error("the call was made before the token was on disk, or with it")
		}
		s.crash() // between the commit and the call
		s.advance(time.Second)
		i := s.wantState(ids[0], incident.Restored, "")
		if blind := i.RestoredAt.Sub(began); blind > 17*time.Second || len(random) != 64 || s.tokens()[len(s.tokens())-1] != random {
			t.Errorf("back after %s, with the token %q of %q", blind, random, s.tokens())
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

// TestI4AUsedTokenOfAnUnseenCreate: an earlier create with that token succeeded, its answer
// was lost, and AWS is slow to show it. It is found, and nothing is made twice, though AWS
// would make a second.
func TestI4AUsedTokenOfAnUnseenCreate(t *testing.T) {
	t.Parallel()
	s := newScene(t).withTokenKey()
	s.world.AllowDuplicates(true)
	id := s.protect(1)[0]
	c := s.answering(&calls{create: func(n int, in *ec2.CreateFlowLogsInput) (*ec2.CreateFlowLogsOutput, error) {
		if n == 2 {
			in.TrafficType = types.TrafficTypeReject // what the version before asked for was another call
		}
		return nil, nil
	}})
	s.world.LoseAnswers("CreateFlowLogs", 1)
	f := s.attack(id)
	s.advance(time.Minute) // the deletion shows, whatever the delay
	s.world.SetConsistencyDelay(10 * time.Second)
	s.deliver(f)
	s.advance(2 * time.Minute)
	s.wantRestored("vpc-1")
	if i := s.incident(id); !i.Adopted || c.creates.Load() != 2 {
		t.Errorf("after %d creates, adopted: %v", c.creates.Load(), i.Adopted)
	}
}

// TestI4AUsedTokenOfAGroup: as TestI4AUsedToken, where one call is for several: they are back in one call
// more, and one alert is about all of them.
func TestI4AUsedTokenOfAGroup(t *testing.T) {
	t.Parallel()
	s := newScene(t).withTokenKey()
	ids, were := s.plantMany(6, 0, 0)
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
	if looked := s.now.Sub(began); looked < 15*time.Second || looked == time.Minute || s.creates() != 1 {
		t.Errorf("%d creates, and another token after %s", s.creates(), looked)
	}
	s.crash() // between the commit and the call
	s.advance(time.Second)
	s.wantAllRestored(were)
	tokens := s.tokens()
	if n := len(tokens); n != 2 || tokens[0] != used || tokens[1] == used {
		t.Errorf("tokens %q", tokens)
	}
	s.advance(15 * time.Minute)
	s.wantAlertCounts(map[alert.Kind]int{alert.Deletion: 1, alert.Blocked: 1, alert.Restored: 1, alert.Closed: 1})
}

// TestI4AUsedTokenOfAnUnseenGroup: the first call has made them, its answer was lost, and AWS shows them long
// after people have read that the token was used. None is made twice, though AWS would make a second.
func TestI4AUsedTokenOfAnUnseenGroup(t *testing.T) {
	t.Parallel()
	s := newScene(t).withTokenKey()
	s.world.AllowDuplicates(true)
	ids, were := s.plantMany(6, 0, 0)
	c := s.answering(&calls{create: func(n int, in *ec2.CreateFlowLogsInput) (*ec2.CreateFlowLogsOutput, error) {
		if n == 2 {
			in.TrafficType = types.TrafficTypeReject // what the version before asked for was another call
		}
		return nil, nil
	}})
	s.world.LoseAnswers("CreateFlowLogs", 1)
	f := s.attack(ids...)
	s.advance(5 * time.Minute) // the deletion shows, whatever the delay
	s.world.SetConsistencyDelay(100 * time.Second)
	s.deliver(f)
	s.advance(20 * time.Minute)
	s.wantAllRestored(were)
	if n := c.creates.Load(); n != 2 {
		t.Errorf("%d creates", n)
	}
	s.wantAlertCounts(map[alert.Kind]int{alert.Deletion: 1, alert.Blocked: 1, alert.Restored: 1, alert.Closed: 1})
}

// TestI9AUsedTokenWhereNothingIsShown: somebody has used the token, and has used up AWS's rate, too, so that
// AWS shows nothing after the create. People are alerted of the token all the same, and it is tried no more.
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
		t.Errorf("%d creates with a token that was used", n)
	}
	s.advance(7 * time.Second)
	s.wantState(id, incident.Restored, "")
	s.wantRestored("vpc-1")
}

// TestAUsedTokenByHand: a restore by hand, without a daemon, waits for the random
// token.
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

// TestI9TokensUsedWithoutEnd: each further token is another, and none is tried faster than
// what is blocked.
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
		t.Errorf("%d creates within an hour", n)
	}
	slices.Sort(seen)
	if len(slices.Compact(seen)) != len(times) {
		t.Errorf("%d creates, and not as many tokens", len(times))
	}
	s.wantAlertCounts(map[alert.Kind]int{alert.Deletion: 1, alert.Blocked: 1})
	mismatch = false
	s.advance(16 * time.Minute)
	s.wantRestored("vpc-1")
}

// TestI4TheLostOnesIDIsNoReplacement: AWS answers a create with the ID of what was lost.
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

// TestI4DaemonsWithOneKey make the same call, and AWS one flow log, though it would make a
// second; those without one rely on AWS's refusal.
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
		for _, d := range []*scene{s, other} { // each has observed before the other creates
			d.deliver(f)
			d.must(d.r.KeepObservation(t.Context(), scope, "vpc-1"))
		}
		s.reconcile()
		other.reconcile()
		s.wantRestored("vpc-1")
		if tokens := s.tokens(); len(tokens) != 2 || (tokens[0] == tokens[1]) != shared {
			t.Errorf("with one key: %v; tokens %q", shared, tokens)
		}
	}
}
