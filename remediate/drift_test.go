package remediate_test

import (
	"context"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/ec2"

	"flowkeeper/alert"
	"flowkeeper/internal/fakeaws"
	"flowkeeper/remediate/incident"
	"flowkeeper/remediate/notify"
)

// TestADriftThatIsPartlyAllowed: what was released does not make the deletion of
// another one quiet, whichever is decided about first.
func TestADriftThatIsPartlyAllowed(t *testing.T) {
	t.Parallel()
	for n := range 2 {
		t.Run(fmt.Sprintf("number %d is released", n+1), func(t *testing.T) {
			t.Parallel()
			s := newScene(t)
			ids := s.protect(2)
			s.release(24*time.Hour, ids[n])
			s.attack(ids...)
			s.refresh()
			s.pass(15 * time.Minute)
			s.is(ids[n], incident.Closed, incident.Released)
			a := s.alerts(alert.Deletion)
			if len(a) != 1 || a[0].Level != alert.Critical || !slices.Contains(a[0].RaisedBy, notify.WholeVPC) || len(a[0].FlowLogs) != 2 {
				t.Fatalf("told %+v", a)
			}
			if r := s.alerts(alert.Restored); len(r) != 1 || r[0].RouteLevel == alert.Informational {
				t.Errorf("then %+v %+v", r[0].RouteLevel, r)
			}
		})
	}
}

// TestADriftThatIsAllowed is told, and wakes nobody.
func TestADriftThatIsAllowed(t *testing.T) {
	t.Parallel()
	s := configured(t, func(p *incident.Policy) { p.DriftWait = 0 })
	ids := s.protect(4)
	s.release(24*time.Hour, ids[1])
	s.attack(ids[1])
	for _, n := range []int{1, 3, 4} {
		s.world.RemoveResource(account, region, fmt.Sprintf("vpc-%d", n))
	}
	s.refresh()
	s.pass(15 * time.Minute)
	if a := s.alerts(alert.Deletion); len(a) != 1 || a[0].Level != alert.Informational || len(a[0].FlowLogs) != 4 {
		t.Errorf("told %+v", a)
	}
}

// TestADriftIsToldWithinHalfAMinute of its refresh, decided or not; where nobody
// works then, by the first step. What is adopted by then is no loss.
func TestADriftIsToldWithinHalfAMinute(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		late  time.Duration // nobody works until then
		level alert.Level
		adopt bool
	}{
		"in time":          {0, alert.Critical, false},
		"late":             {31 * time.Second, alert.Critical, false},
		"later":            {10 * time.Minute, alert.Critical, false},
		"in time, adopted": {0, alert.Informational, true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newScene(t)
			ids := s.protect(2)
			s.release(24*time.Hour, ids[0])
			s.attack(ids...)
			s.refresh()
			s.due(ids[1], time.Hour) // as when thousands are before it
			s.now = s.now.Add(c.late)
			if c.late == 0 {
				s.pass(20 * time.Second)
				s.told(map[alert.Kind]int{}) // what is decided is quiet, and the other may be, too
			}
			if c.adopt {
				s.plant("vpc-2", nil)
				s.due(ids[1], 0)
			}
			if c.late == 0 {
				s.pass(10 * time.Second)
			} else {
				s.work()
			}
			if a := s.alerts(alert.Deletion); len(a) != 1 || a[0].Level != c.level {
				t.Fatalf("told %+v", a)
			}
			s.pass(2 * time.Hour)
			s.restored("vpc-2")
			if len(s.alerts(alert.Deletion)) != 1 || len(s.alerts(alert.Restored)) != 1 || len(s.alerts(alert.Closed)) != 1 {
				t.Error("told too little, or twice")
			}
			s.resolved()
		})
	}
}

// TestWhatIsToldOfAnAdoptedDriftIsClosed: what was adopted at once needs no alert of
// its loss. Where no look shows it then, there is one, and that is closed, too.
func TestWhatIsToldOfAnAdoptedDriftIsClosed(t *testing.T) {
	t.Parallel()
	s := newScene(t)
	s.attack(s.protect(1)...)
	s.plant("vpc-1", nil)
	s.refresh()
	s.pass(20 * time.Second)
	s.world.Deny("flowkeeper", "DescribeFlowLogs")
	s.pass(15 * time.Minute)
	if got := s.critical(); len(got) != 1 || got[0].Kind == alert.Deletion {
		t.Fatalf("told %+v", got)
	}
	s.world.Allow("flowkeeper", "DescribeFlowLogs")
	s.pass(2 * time.Hour)
	s.resolved()
}

// TestADriftThatIsOverBeforeItIsTold has an end all the same.
func TestADriftThatIsOverBeforeItIsTold(t *testing.T) {
	t.Parallel()
	s := newScene(t)
	ids := s.protect(2)
	s.release(24*time.Hour, ids[0])
	s.attack(ids...)
	s.refresh()
	s.due(ids[1], time.Hour)
	s.pass(time.Second)
	i := s.incident(ids[1]) // AWS shows it after all
	s.change(i.FlowLogID, func(i *incident.Incident) {
		i.State, i.Reason, i.NextAttemptAt = incident.Closed, incident.StillThere, time.Time{}
	})
	s.changeEvent(i.EventID, func(e *incident.Event) { e.ClosedAlertedAt = s.now })
	s.pass(time.Hour)
	if a := s.alerts(alert.Deletion); len(a) != 1 || a[0].Level != alert.Informational || len(a[0].FlowLogs) != 1 {
		t.Errorf("told %+v", a)
	}
	s.resolved()
}

// due makes the restorer's next turn at an incident come after some time.
func (s *scene) due(id string, after time.Duration) {
	s.t.Helper()
	s.change(id, func(i *incident.Incident) { i.NextAttemptAt = s.now.Add(after) })
}

// TestLetGo: what nobody wants back is over, for the pager as well, and no later
// record brings it back; a person may.
func TestLetGo(t *testing.T) {
	t.Parallel()
	s, id := protectedOne(t)
	s.world.RemoveDestination(bucket)
	attack := s.attack(id)
	s.hear(attack)
	s.pass(time.Hour)
	s.is(id, incident.Blocked, incident.Destination)
	if done, err := s.r.LetGo(t.Context(), scope, id, "the bucket is gone"); !done || err != nil {
		t.Fatal(done, err)
	}
	i := s.is(id, incident.Closed, incident.Released)
	if i.Advice != "an operator let it go: the bucket is gone" {
		t.Errorf("it says %q", i.Advice)
	}
	s.resolved()
	s.world.AddDestination(bucket)
	s.hear(attack, s.record(id))
	s.refresh()
	s.pass(3 * time.Hour)
	s.is(id, incident.Closed, incident.Released)
	s.resolved()
	if done, err := s.r.LetGo(t.Context(), scope, id, ""); done || err != nil {
		t.Error(done, err)
	}
	if _, _, err := s.r.RestoreByHand(t.Context(), scope, id); err != nil {
		t.Fatal(err)
	}
	s.is(id, incident.Restored, "")
	s.restored("vpc-1")
}

// TestADriftLearnsWhoItWas, though it is back by then: who, and for how long it was
// dark.
func TestADriftLearnsWhoItWas(t *testing.T) {
	t.Parallel()
	for state, pause := range map[incident.State]time.Duration{incident.Restored: 5 * time.Minute, incident.Verified: time.Hour} {
		t.Run(string(state), func(t *testing.T) {
			t.Parallel()
			s, id := protectedOne(t)
			s.now = s.now.Add(time.Minute)
			f, forged := s.attack(id), s.record(id)
			forged.Record.Identity.ARN = "arn:aws:iam::111122223333:user/alice"
			s.refresh()
			s.pass(pause)
			before := s.is(id, state, "")
			s.hear(f)
			s.hear(forged)
			i := s.is(id, state, "")
			was, _ := before.BlindSeconds()
			blind, _ := i.BlindSeconds()
			if i.Source != incident.ByEvent || i.Actor == nil || i.Actor.ARN != mallory || i.EventID != before.EventID || i.NewID != before.NewID || blind != was-60 {
				t.Errorf("by %v %+v, dark for %v s instead of %v", i.Source, i.Actor, blind, was-60)
			}
			s.pass(3 * time.Hour)
			s.is(id, incident.Verified, "")
			s.resolved()
		})
	}
}

// TestADriftIsToldThoughAStepTookLonger: the step that began before the alert was due
// ends after that, and must not take its time for told.
func TestADriftIsToldThoughAStepTookLonger(t *testing.T) {
	t.Parallel()
	s := newScene(t)
	s.attack(s.protect(1)...)
	s.refresh()
	s.answering(&calls{describe: func(int, *ec2.DescribeFlowLogsInput) (*ec2.DescribeFlowLogsOutput, error) {
		s.now = s.now.Add(30 * time.Second)
		return nil, context.DeadlineExceeded
	}})
	for range 2 {
		s.step()
	}
	s.wantAlerts(alert.Deletion, 1)
}

// TestI2ADecoyBesideAReleaseThatEnded: a refresh finds a loss, and takes it for
// released, as the flow log was when it was last seen. The record that comes later
// says that it was not any more: what stands in its place meanwhile was no
// replacement, and is not restored.
func TestI2ADecoyBesideAReleaseThatEnded(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		recorded bool
		wait     time.Duration // for the record
	}{
		"a record comes":               {true, 2 * time.Minute},
		"none comes":                   {false, 2 * time.Minute},
		"a record comes after an hour": {true, 90 * time.Minute}, // what is due so far ahead is looked at before
		"none comes for an hour":       {false, 90 * time.Minute},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := configured(t, func(p *incident.Policy) { p.DriftWait = c.wait })
			id := s.protect(1)[0]
			s.release(time.Minute)
			s.now = s.now.Add(10 * time.Minute)
			deletion := s.attack(id)
			s.now = s.now.Add(time.Second)
			decoy := s.plant("vpc-1", func(f *fakeaws.FlowLog) { f.TrafficType = "REJECT" })
			s.now = s.now.Add(time.Second)
			s.refresh()
			s.pass(c.wait - time.Minute)
			s.is(id, incident.Closed, incident.Released)
			if s.row(decoy).Protected {
				t.Error("what may be a decoy is protected before a record could come")
			}
			if c.recorded {
				s.hear(deletion)
				s.pass(10 * time.Second)
				s.is(id, incident.Blocked, incident.Decoy)
				s.world.Remove(account, region, decoy)
				s.pass(time.Hour)
				s.restored("vpc-1")
				return
			}
			s.pass(3 * time.Minute)
			if !s.row(decoy).Protected {
				t.Error("what took the place of a released flow log is not protected")
			}
		})
	}
}
