package remediate_test

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"flowkeeper/alert"
	"flowkeeper/internal/cloudtrail"
	"flowkeeper/internal/detection"
	"flowkeeper/internal/fakeaws"
	"flowkeeper/remediate"
)

// trail collects the records of creates.
func (s *scene) trail() *[]detection.Finding {
	var got []detection.Finding
	s.world.TrailWith(func(body string) error {
		var envelope struct{ Detail json.RawMessage }
		if err := json.Unmarshal([]byte(body), &envelope); err != nil {
			return err
		}
		r, err := cloudtrail.Decode(envelope.Detail)
		if err != nil {
			return err
		}
		if f, ok := detection.Judge(r); ok {
			got = append(got, f)
		}
		return nil
	}, "CreateFlowLogs")
	return &got
}

func (s *scene) rehearse() remediate.Rehearsed {
	s.t.Helper()
	c, err := s.r.Rehearse(s.t.Context(), scope, func() {})
	s.must(err)
	return c
}

func TestRehearsalTriesEachDestinationOnceAndCreatesNothing(t *testing.T) {
	t.Parallel()
	s := newScene(t)
	s.world.AddDestination("arn:aws:s3:::elsewhere")
	s.protect(3)
	s.plant("vpc-9", func(f *fakeaws.FlowLog) { f.LogDestination = "arn:aws:s3:::elsewhere" })
	s.refresh()
	heard := s.trail()
	if c := s.rehearse(); c != (remediate.Rehearsed{Tried: 2}) {
		t.Errorf("%+v", c)
	}
	if c := s.refresh(); c.Listed != 4 || c.New != 0 {
		t.Errorf("a rehearsal made something: %+v", c)
	}
	if len(*heard) != 2 || (*heard)[0].Kind != detection.Rehearsed || len((*heard)[0].Record.ClientToken) > 64 {
		t.Fatalf("%+v", *heard)
	}
	s.told(map[alert.Kind]int{alert.Destination: 1})
}

func TestRehearsalTellsBeforeTheAttack(t *testing.T) {
	t.Parallel()
	s := newScene(t)
	s.protect(3)
	s.rehearse()
	s.told(nil)
	s.world.Deny("flowkeeper", "CreateFlowLogs")
	for range 2 {
		if c := s.rehearse(); c != (remediate.Rehearsed{Tried: 1, Refused: 1}) {
			t.Errorf("%+v", c)
		}
		s.crash()
	}
	s.told(map[alert.Kind]int{alert.Pipeline: 1})
	a := s.alerts(alert.Pipeline)[0]
	if a.Level != alert.High || len(a.FlowLogs) != 3 || !strings.HasPrefix(a.Title, "A restore would be refused: 3 flow logs (permission)") || !strings.Contains(a.Advice, "ec2:CreateFlowLogs") {
		t.Errorf("%+v", a)
	}
	s.world.Allow("flowkeeper", "CreateFlowLogs")
	s.rehearse()
	s.rehearse()
	s.told(map[alert.Kind]int{alert.Pipeline: 2})
	if a := s.alerts(alert.Pipeline)[1]; a.Level != alert.Informational || a.RouteLevel != alert.High && a.RouteLevel != "" || !strings.HasPrefix(a.Title, "A restore would be allowed again: 3 flow logs") || !a.Resolves() || a.DedupKey != s.alerts(alert.Pipeline)[0].DedupKey {
		t.Errorf("%+v", a)
	}
}

func TestRehearsalWithoutAVerdictChangesNothing(t *testing.T) {
	t.Parallel()
	s := newScene(t)
	s.protect(1)
	s.world.Deny("flowkeeper", "CreateFlowLogs")
	s.rehearse()
	s.world.Allow("flowkeeper", "CreateFlowLogs")
	s.world.Throttle("CreateFlowLogs", 1)
	if _, err := s.r.Rehearse(t.Context(), scope, func() {}); err == nil {
		t.Error("a throttled rehearsal is no success")
	}
	s.told(map[alert.Kind]int{alert.Pipeline: 1})
}

func TestRehearsalInModeAlertMakesNoCall(t *testing.T) {
	t.Parallel()
	s := newScene(t)
	s.protect(1)
	s.r.Policy.AlertOnly = true
	heard := s.trail()
	if c := s.rehearse(); c.Tried != 0 || len(*heard) != 0 {
		t.Errorf("%+v", c)
	}
}

// TestTheWayOfEvents: once a rehearsal has come back through the queue, the
// absence of later ones is told, and so is its end.
func TestTheWayOfEvents(t *testing.T) {
	t.Parallel()
	s := newScene(t)
	s.protect(1)
	heard := s.trail()
	hour := func(comes bool) {
		*heard = nil
		s.rehearse()
		if s.now = s.now.Add(10 * time.Minute); comes {
			s.hear(*heard...)
		}
		s.now = s.now.Add(50 * time.Minute)
		s.refresh()
	}
	for range 3 {
		hour(false) // never proven: nothing to miss
	}
	hour(true)
	s.told(nil)
	hour(false)
	hour(false)
	s.told(map[alert.Kind]int{alert.Pipeline: 1})
	if a := s.alerts(alert.Pipeline)[0]; a.Level != alert.High || !strings.Contains(a.Title, "no rehearsal has come back") || a.Advice == "" {
		t.Errorf("%+v", a)
	}
	hour(true)
	hour(true)
	s.told(map[alert.Kind]int{alert.Pipeline: 2})
	if a := s.alerts(alert.Pipeline)[1]; a.Level != alert.Informational || !strings.HasPrefix(a.Title, "Works again: events come through the queue again") {
		t.Errorf("%+v", a)
	}
	// Another daemon on the queue takes its part: one hour's silence is no news.
	other := (*heard)[0]
	other.Record.ClientToken = detection.RehearsalToken + "other-1-1"
	s.hear(other)
	for range 5 {
		hour(false)
	}
	s.told(map[alert.Kind]int{alert.Pipeline: 2})
	hour(false)
	s.told(map[alert.Kind]int{alert.Pipeline: 3})
}

// TestI4ARehearsalSpendsNoToken: the create after it is another call.
func TestI4ARehearsalSpendsNoToken(t *testing.T) {
	t.Parallel()
	s := newScene(t)
	id := s.protect(1)[0]
	s.rehearse()
	s.hear(s.attack(id))
	s.work()
	if i := s.incident(id); i.State != remediate.Restored {
		t.Errorf("%+v", i)
	}
}

func TestRehearsalStopsWithItsContext(t *testing.T) {
	t.Parallel()
	s := newScene(t)
	s.protect(1)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := s.r.Rehearse(ctx, scope, func() {}); err == nil {
		t.Error("it went on")
	}
}

// TestProgressWhileARehearsalIsSlow: many slow answers are no hang.
func TestProgressWhileARehearsalIsSlow(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newScene(t)
		s.bubble = true
		for n := range 12 {
			to := fmt.Sprintf("arn:aws:s3:::place-%d", n)
			s.world.AddDestination(to)
			s.plant(fmt.Sprintf("vpc-%d", n), func(f *fakeaws.FlowLog) { f.LogDestination = to })
		}
		s.refresh()
		s.r.Fleet = fleetOf{slow{s.api, lasting(20 * time.Second)}}
		beats := &beats{last: time.Now()}
		c, err := s.r.Rehearse(t.Context(), scope, beats.beat)
		s.must(err)
		if silence := beats.longest(); c.Tried != 12 || silence > time.Minute {
			t.Errorf("%+v, with nothing for %s", c, silence)
		}
	})
}

// TestRehearsalLooksFirst: a restore begins with a look, and is refused with it.
// What is mended is tried at once.
func TestRehearsalLooksFirst(t *testing.T) {
	t.Parallel()
	s := newScene(t)
	id := s.protect(2)[0]
	s.world.Deny("flowkeeper", "DescribeFlowLogs")
	s.hear(s.attack(id))
	s.work()
	s.is(id, remediate.Blocked, remediate.Permission)
	if c := s.rehearse(); c != (remediate.Rehearsed{Tried: 1, Refused: 1}) {
		t.Errorf("%+v", c)
	}
	s.pass(20 * time.Minute)
	s.now = s.now.Add(time.Second) // the next try is up to fifteen minutes away
	s.world.Allow("flowkeeper", "DescribeFlowLogs")
	if c := s.rehearse(); c != (remediate.Rehearsed{Tried: 1}) {
		t.Errorf("%+v", c)
	}
	s.work()
	s.is(id, remediate.Restored, "")
}
