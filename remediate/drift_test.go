package remediate_test

import (
	"context"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"

	"flowkeeper/alert"
	"flowkeeper/internal/fakeaws"
	"flowkeeper/remediate/incident"
)

// TestADriftThatIsPartlyAllowed: a refresh finds two flow logs gone, one of them released. The alert must not be
// quiet because of the released one, whichever of the two is decided first.
func TestADriftThatIsPartlyAllowed(t *testing.T) {
	t.Parallel()
	for n := range 2 {
		t.Run(fmt.Sprintf("number %d is released", n+1), func(t *testing.T) {
			t.Parallel()
			s, ids := protected(t, 2)
			s.release(24*time.Hour, ids[n])
			s.attack(ids...)
			s.refresh()
			s.advance(15 * time.Minute)
			s.wantState(ids[n], incident.Closed, incident.Released)
			a := s.alerts(alert.Deletion)
			if len(a) != 1 || a[0].Level != alert.Critical || !slices.Contains(a[0].RaisedBy, alert.WholeVPC) || len(a[0].FlowLogs) != 2 {
				t.Fatalf("alerted %+v", a)
			}
			if r := s.alerts(alert.Restored); len(r) != 1 || r[0].RouteLevel == alert.Informational {
				t.Errorf("the restored alert goes to sinks of level %v: %+v", r[0].RouteLevel, r)
			}
		})
	}
}

// TestADriftThatIsAllowed: a refresh finds flow logs gone that were released, or whose VPCs were deleted. The
// alert is informational.
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
	s.advance(15 * time.Minute)
	if a := s.alerts(alert.Deletion); len(a) != 1 || a[0].Level != alert.Informational || len(a[0].FlowLogs) != 4 {
		t.Errorf("alerted %+v", a)
	}
}

// TestADriftIsAlertedWithinHalfAMinute: a loss that a refresh finds is alerted within 30 seconds, even if it is
// not decided. If no step is done by then, the next step alerts. A flow log that was adopted by then counts as
// no loss.
func TestADriftIsAlertedWithinHalfAMinute(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		late  time.Duration // no step is done for so long
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
			s, ids := protected(t, 2)
			s.release(24*time.Hour, ids[0])
			s.attack(ids...)
			s.refresh()
			s.setDue(ids[1], time.Hour) // as if thousands of incidents were due before it
			s.now = s.now.Add(c.late)
			if c.late == 0 {
				s.advance(20 * time.Second)
				s.wantAlertCounts(map[alert.Kind]int{}) // the decided loss is quiet, and the other may turn out to be quiet, too
			}
			if c.adopt {
				s.plant("vpc-2", nil)
				s.setDue(ids[1], 0)
			}
			if c.late == 0 {
				s.advance(10 * time.Second)
			} else {
				s.reconcile()
			}
			if a := s.alerts(alert.Deletion); len(a) != 1 || a[0].Level != c.level {
				t.Fatalf("alerted %+v", a)
			}
			s.advance(2 * time.Hour)
			s.wantRestored("vpc-2")
			if len(s.alerts(alert.Deletion)) != 1 || len(s.alerts(alert.Restored)) != 1 || len(s.alerts(alert.Closed)) != 1 {
				t.Error("want one deletion, one restored and one closed alert")
			}
			s.wantResolved()
		})
	}
}

// TestTheAlertOfAnAdoptedDriftIsClosed: a lost flow log has an adopted replacement, so that no alert of the loss
// is needed. Then AWS refuses to show the replacement, and people are alerted of that. When AWS shows it again,
// the pager is resolved.
func TestTheAlertOfAnAdoptedDriftIsClosed(t *testing.T) {
	t.Parallel()
	s := newScene(t)
	s.attack(s.protect(1)...)
	s.plant("vpc-1", nil)
	s.refresh()
	s.advance(20 * time.Second)
	s.world.Deny("flowkeeper", "DescribeFlowLogs")
	s.advance(15 * time.Minute)
	if got := s.critical(); len(got) != 1 || got[0].Kind == alert.Deletion {
		t.Fatalf("alerted %+v", got)
	}
	s.world.Allow("flowkeeper", "DescribeFlowLogs")
	s.advance(2 * time.Hour)
	s.wantResolved()
}

// TestADriftThatIsOverBeforeItIsAlerted: a refresh finds two flow logs gone, one of them released; the other
// turns out to be alive before the deletion alert is due. The alert names the released one alone, and the pager
// is resolved.
func TestADriftThatIsOverBeforeItIsAlerted(t *testing.T) {
	t.Parallel()
	s, ids := protected(t, 2)
	s.release(24*time.Hour, ids[0])
	s.attack(ids...)
	s.refresh()
	s.setDue(ids[1], time.Hour)
	s.advance(time.Second)
	i := s.incident(ids[1]) // AWS shows the flow log after all
	s.changeIncident(i.FlowLogID, func(i *incident.Incident) {
		i.State, i.Reason, i.NextAttemptAt = incident.Closed, incident.StillThere, time.Time{}
	})
	s.changeEvent(i.EventID, func(e *incident.Event) { e.ClosedAlertedAt = s.now })
	s.advance(time.Hour)
	if a := s.alerts(alert.Deletion); len(a) != 1 || a[0].Level != alert.Informational || len(a[0].FlowLogs) != 1 {
		t.Errorf("alerted %+v", a)
	}
	s.wantResolved()
}

// TestADriftLearnsWhoItWas: a drift is restored or verified when its record comes. The incident then says who
// deleted the flow log, and how long it was gone. A forged record that comes after that changes neither.
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
			s.advance(pause)
			before := s.wantState(id, state, "")
			s.deliver(f)
			s.deliver(forged)
			i := s.wantState(id, state, "")
			was, _ := before.BlindSeconds()
			blind, _ := i.BlindSeconds()
			if i.Source != incident.ByEvent || i.Actor == nil || i.Actor.ARN != mallory || i.EventID != before.EventID || i.NewID != before.NewID || blind != was-60 {
				t.Errorf("by %v %+v, dark for %v s instead of %v", i.Source, i.Actor, blind, was-60)
			}
			s.advance(3 * time.Hour)
			s.wantState(id, incident.Verified, "")
			s.wantResolved()
		})
	}
}

// TestADriftIsAlertedThoughAStepTookLonger: a step begins before the alert is due, and ends after that, because
// AWS answers slowly. The alert must not be missed: the next step adds it.
func TestADriftIsAlertedThoughAStepTookLonger(t *testing.T) {
	t.Parallel()
	s := newScene(t)
	s.attack(s.protect(1)...)
	s.refresh()
	s.answering(&calls{describe: func(int, *ec2.DescribeFlowLogsInput) (*ec2.DescribeFlowLogsOutput, error) {
		s.now = s.now.Add(30 * time.Second)
		return nil, context.DeadlineExceeded
	}})
	for range 2 {
		s.reconcileOnce()
	}
	s.wantAlerts(alert.Deletion, 1)
}

// wantUnreported checks how many losses of the last day no record has reported.
func (s *scene) wantUnreported(want int) {
	s.t.Helper()
	n, err := s.store.Unreported(s.t.Context())
	s.must(err)
	if n != want {
		s.t.Errorf("%d losses that no record has reported, want %d", n, want)
	}
}

func TestI5DeletedWithoutAnEvent(t *testing.T) {
	t.Parallel()
	s, id := protectedOne(t)
	s.attack(id) // its record never comes
	s.refresh()
	s.reconcile()
	s.wantState(id, incident.Restored, "") // at once, because no rule could excuse the loss
	s.wantRestored("vpc-1")
	s.wantAlertCounts(map[alert.Kind]int{alert.Deletion: 1, alert.Restored: 1})
	s.advance(time.Hour)
	s.wantUnreported(1)
	if a := s.alerts(alert.Deletion)[0]; a.Source != incident.ByDrift || a.Actor != nil || a.Level != alert.Critical {
		t.Errorf("alert %+v", a)
	}
}

// TestADriftThatARuleCouldExcuseWaits: the restore waits for the record of the deletion, because the principal
// may be one whom a rule names. The alert does not wait.
func TestADriftThatARuleCouldExcuseWaits(t *testing.T) {
	t.Parallel()
	for name, s := range map[string]*scene{
		"a rule of the configuration":           ruled(t, ci, incident.Ignore, 0),
		"the built-in rule for telemetry rules": newScene(t),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			id := s.plant("vpc-1", func(f *fakeaws.FlowLog) { f.Tags[incident.TelemetryTag] = "true" })
			s.refresh()
			s.now = s.now.Add(time.Hour)
			s.attack(id)
			s.refresh()
			s.reconcile()
			s.wantAlertCounts(nil)
			s.advance(30 * time.Second)
			s.wantState(id, incident.Open, "")
			s.wantAlertCounts(map[alert.Kind]int{alert.Deletion: 1}) // though the loss is not decided
			s.advance(2 * time.Minute)
			s.wantState(id, incident.Restored, "")
			s.wantRestored("vpc-1")
			s.wantAlertCounts(map[alert.Kind]int{alert.Deletion: 1, alert.Restored: 1})
		})
	}
}

// TestDriftWhoseEventComesLater: the record of a drift comes later. If people were alerted of the drift by then,
// a second deletion alert says who deleted the flow log. Each alert is closed in the pager.
func TestDriftWhoseEventComesLater(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		after            time.Duration
		waits            bool
		alerts, restored int // deletion and restored alerts; if the flow log is back when the record comes, the second deletion alert says so
	}{
		"soon, and a rule could excuse it":  {20 * time.Second, true, 1, 1},
		"later, and a rule could excuse it": {time.Minute, true, 2, 2},
		"soon":                              {time.Second, false, 2, 1},
		"later":                             {time.Minute, false, 2, 1},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			after, alerts := c.after, c.alerts
			s := newScene(t)
			if c.waits {
				s = ruled(t, ci, incident.Wait, time.Hour)
			}
			id := s.protect(1)[0]
			f := s.attack(id)
			s.refresh()
			s.wantUnreported(1)
			s.advance(after)
			s.deliver(f)
			s.reconcile()
			s.wantUnreported(0)
			if i := s.wantState(id, incident.Restored, ""); i.Source != incident.ByEvent || i.Actor == nil || i.DeletedAt.IsZero() {
				t.Errorf("incident %+v", i)
			}
			s.advance(12 * time.Minute)
			s.wantAlertCounts(map[alert.Kind]int{alert.Deletion: alerts, alert.Restored: c.restored, alert.Closed: alerts})
			if a := s.alerts(alert.Deletion); a[alerts-1].Actor == nil {
				t.Errorf("no alert says who deleted the flow log: %+v", a)
			}
			s.wantResolved()
		})
	}
}

// TestDriftAdopted: a refresh finds a flow log gone that another daemon has restored already. There is one
// informational alert of the restore, and no deletion alert.
func TestDriftAdopted(t *testing.T) {
	t.Parallel()
	s, id := protectedOne(t)
	s.attack(id)
	s.plant("vpc-1", nil)
	s.refresh()
	s.advance(3 * time.Minute)
	s.wantState(id, incident.Restored, "")
	s.wantAlertCounts(map[alert.Kind]int{alert.Restored: 1})
	s.wantUnreported(0) // the other daemon may have got the record
	if a := s.alerts(alert.Restored)[0]; a.Level != alert.Informational {
		t.Errorf("level %s", a.Level)
	}
}

// TestADriftOfManyIsAlertedWhole: a refresh finds 250 flow logs gone, and confirms them in parts. The alerts
// name all of them, even if the first ones are alerted, or adopted because somebody created them again, before
// the last ones are confirmed.
func TestADriftOfManyIsAlertedWhole(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		back  int
		named []alert.Kind
	}{
		"none is back":            {0, []alert.Kind{alert.Deletion, alert.Restored}},
		"the first ones are back": {200, []alert.Kind{alert.Restored}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := configured(t, func(p *incident.Policy) { p.DriftWait = 0 })
			ids := s.protect(250)
			s.attack(ids...)
			for n := range c.back {
				s.plant(fmt.Sprintf("vpc-%d", n+1), nil)
			}
			s.refreshWhile(s.reconcile)
			s.advance(time.Hour)
			for _, k := range c.named {
				if n := len(s.named(k)); n != 250 {
					t.Errorf("%s alerts name %d of 250 flow logs", k, n)
				}
			}
			s.wantResolved()
		})
	}
}

// refreshWhile refreshes the snapshot, and calls do before the second call that confirms losses.
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

// TestAYoungFlowLogWasLastSeenBefore: a refresh does not list a young flow log, which does not count as lost
// yet. That refresh must not count as the last time when AWS showed it: the alert would say that less traffic
// was missed.
func TestAYoungFlowLogWasLastSeenBefore(t *testing.T) {
	t.Parallel()
	s := newScene(t)
	id := s.plant("vpc-1", nil)
	s.refresh()
	seen := s.clock()
	s.world.Remove(account, region, id)
	s.advance(time.Minute)
	s.refresh()
	s.advance(2 * time.Minute)
	s.refresh()
	if i := s.incident(id); i.LastSeenAt.After(seen) {
		t.Errorf("last seen %s, which is %s too late", i.LastSeenAt, i.LastSeenAt.Sub(seen))
	}
}
