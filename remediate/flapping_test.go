package remediate_test

import (
	"fmt"
	"testing"
	"time"

	"flowkeeper/alert"
	"flowkeeper/internal/fakeaws"
	"flowkeeper/remediate/incident"
)

func TestI9FlappingNeverStops(t *testing.T) {
	t.Parallel()
	s, _ := protectedOne(t)
	for range 8 {
		f := s.wantRestored("vpc-1")
		s.attackAndReconcile(f.ID)
		for n := 0; len(s.flowLogsOn("vpc-1")) == 0; n++ {
			if n > 700 {
				t.Fatal("not restored within eleven minutes: an attacker wins if he only goes on")
			}
			s.advance(time.Second)
		}
	}
	s.wantAlertCounts(map[alert.Kind]int{alert.Deletion: 8, alert.Restored: 8, alert.Flapping: 1,
		alert.Blocked: 2, // of the two flow logs that were held back for more than five minutes after the flapping alert
		alert.Closed:  len(s.alerts(alert.Closed))})
	if s.creates() != 8 {
		t.Errorf("%d creates", s.creates())
	}
}

// TestFlappingIsAlertedThoughItIsBackAtOnce: a flow log flaps, and a person restores it by hand before people
// are alerted of the flapping. They are alerted all the same.
func TestFlappingIsAlertedThoughItIsBackAtOnce(t *testing.T) {
	t.Parallel()
	s, _ := protectedOne(t)
	for range 5 {
		s.attackAndReconcile(s.wantRestored("vpc-1").ID)
	}
	last := s.wantRestored("vpc-1").ID
	s.attackAndReconcile(last)
	s.wantState(last, incident.Open, "")
	if _, _, err := s.r.RestoreByHand(t.Context(), scope, last); err != nil {
		t.Fatal(err)
	}
	s.deliver(s.attack(s.wantRestored("vpc-1").ID))
	s.advance(15 * time.Minute)
	s.wantRestored("vpc-1")
	s.wantAlerts(alert.Flapping, 1)
}

// TestFlappingIsAlwaysAlerted: flapping is alerted whatever the time between the deletions is, compared with
// restore_interval.
func TestFlappingIsAlwaysAlerted(t *testing.T) {
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
				if here := s.flowLogsOn("vpc-1"); len(here) == 1 {
					s.deliver(s.attack(here[0].ID))
				}
				s.advance(c.pause)
			}
			if n := len(s.alerts(alert.Flapping)); n == 0 {
				t.Errorf("%d creates, and %d flapping alerts", s.creates(), n)
			}
		})
	}
}

// TestFlappingIsAlertedBeforeTheEnd: a flow log flaps, and everything about the event is done before the
// flapping alert is due. People are alerted of the flapping all the same.
func TestFlappingIsAlertedBeforeTheEnd(t *testing.T) {
	t.Parallel()
	s := configured(t, func(p *incident.Policy) {
		p.MaxRestores, p.RestoreInterval, p.VerifyAfter = 1, 4*time.Minute, time.Minute
	})
	const elsewhere = bucket + "-2"
	s.world.AddDestination(elsewhere)
	other := s.plant("vpc-2", func(f *fakeaws.FlowLog) { f.LogDestination = elsewhere })
	id := s.protect(1)[0]
	s.deliver(s.attack(id))
	s.advance(time.Minute)
	id = s.wantRestored("vpc-1").ID
	s.world.RemoveDestination(elsewhere)
	s.deliver(s.attack(id, other))
	s.setDue(id, 2*time.Minute)
	s.advance(time.Minute)
	s.wantState(other, incident.Blocked, incident.Destination)
	s.wantAlertCounts(map[alert.Kind]int{alert.Deletion: 2, alert.Restored: 1, alert.Closed: 1, alert.Blocked: 1})
	s.world.AddDestination(elsewhere)
	s.advance(time.Hour)
	s.wantAlerts(alert.Flapping, 1)
	s.wantResolved()
}
