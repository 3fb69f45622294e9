package remediate_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/ec2"

	"flowkeeper/alert"
	"flowkeeper/internal/detection"
	"flowkeeper/internal/fakeaws"
	"flowkeeper/internal/fakeaws/fakeawstest"
	"flowkeeper/remediate/incident"
)

// inOrder is a [remediate.Remediator.Parallel] that runs the tasks one after the other.
func inOrder(_ int, tasks ...func() error) (err error) {
	for _, task := range tasks {
		err = errors.Join(err, task())
	}
	return err
}

// TestFirstAttemptsGoByTheAgeOfTheLineage: when the pace allows few creates, the oldest lineage is first, and a
// replacement counts as old as its root. A flow log whose destination was new after the first refresh comes
// last, however old it is.
func TestFirstAttemptsGoByTheAgeOfTheLineage(t *testing.T) {
	t.Parallel()
	s := newScene(t)
	unlike := func(n int) func(*fakeaws.FlowLog) {
		return func(f *fakeaws.FlowLog) { f.LogFormat = fmt.Sprintf("${version} %d", n) }
	}
	old := s.plant("vpc-old", unlike(1))
	s.refresh()
	s.sleep(time.Hour)
	s.world.AddDestination("arn:aws:s3:::later")
	late := s.plant("vpc-late", func(f *fakeaws.FlowLog) { unlike(2)(f); f.LogDestination = "arn:aws:s3:::later" })
	s.refresh()
	_, err := s.r.Approve(t.Context(), []string{"arn:aws:s3:::later"})
	s.must(err)
	s.sleep(time.Hour)
	young := s.plant("vpc-young", unlike(3))
	s.refresh()
	s.sleep(time.Hour)
	s.deliver(s.attack(old))
	s.advance(20 * time.Minute)
	replacement := s.flowLogsOn("vpc-old")[0].ID
	before := s.creates()
	s.r.Parallel = inOrder
	s.deliver(s.attack(late, young, replacement))
	s.advance(time.Minute)
	var order []string
	for _, c := range s.world.Calls("CreateFlowLogs")[before:] {
		order = append(order, c.Form.Get("ResourceId.1"))
	}
	if got := fmt.Sprint(order); got != "[vpc-old vpc-young vpc-late]" {
		t.Errorf("created in this order: %s", got)
	}
}

// TestI2ALateDestinationThatBecomesKnownAfterItsRecordComesLast: a record of a deletion comes before AWS has
// shown the flow log, whose destination is new after the first refresh. When the flow log becomes known, it
// counts as one that comes last.
func TestI2ALateDestinationThatBecomesKnownAfterItsRecordComesLast(t *testing.T) {
	t.Parallel()
	for name, learn := range map[string]func(s *scene, id string){
		"by a refresh":  func(s *scene, _ string) { s.refresh() },
		"by its record": func(s *scene, id string) { s.deliver(s.recordOfCreate(id)) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s, _ := protected(t, 1)
			late := s.plant("vpc-late", func(f *fakeaws.FlowLog) { f.LogDestination = bucket + "/later" })
			known := s.plant("vpc-known", nil)
			s.deliver(s.record(late, known))
			learn(s, late)
			learn(s, known)
			for id, want := range map[string]bool{late: true, known: false} {
				if i := s.incident(id); !i.Known || i.LateDestination != want {
					t.Errorf("%s: known: %v, late: %v", id, i.Known, i.LateDestination)
				}
			}
		})
	}
}

// TestOldFailuresDoNotDelayANewOne: the restores of sixty flow logs fail for ever. A new deletion is tried at
// once all the same, and a new drift is alerted within 30 seconds. The old ones are still tried.
func TestOldFailuresDoNotDelayANewOne(t *testing.T) {
	t.Parallel()
	for name, breaks := range map[string]func(*scene){
		"throttled": func(s *scene) { s.world.Throttle("CreateFlowLogs", 1<<30) },
		"failing":   func(s *scene) { s.world.Fail("CreateFlowLogs", 1<<30, "InternalError", http.StatusInternalServerError) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s, ids := protected(t, 60)
			s.now = s.now.Add(time.Hour)
			young, gone := s.plant("vpc-young", nil), s.plant("vpc-gone", nil)
			s.learn()
			tick := func(d time.Duration) {
				for end := s.now.Add(d); s.now.Before(end); s.now = s.now.Add(time.Second) {
					s.reconcileOnce()
				}
			}
			breaks(s)
			s.deliver(s.attack(ids...))
			tick(5 * time.Minute)
			s.deliver(s.attack(young))
			s.world.Remove(account, region, gone) // its record never comes
			s.refresh()
			tick(20 * time.Second)
			if i := s.incident(young); i.Attempts == 0 {
				t.Errorf("the new deletion is not tried within 20 s: %+v", i)
			}
			tick(10 * time.Second)
			alerts := 0
			for _, a := range s.alerts(alert.Deletion) {
				if a.Source == incident.ByDrift {
					alerts++
				}
			}
			if alerts != 1 {
				t.Errorf("%d alerts of the drift within 30 s, want 1", alerts)
			}
			before := 0
			for _, id := range ids {
				before += s.incident(id).Tried
			}
			tick(10 * time.Minute)
			after, never := 0, 0
			for _, id := range ids {
				i := s.incident(id)
				if after += i.Tried; i.Tried == 0 {
					never++
				}
			}
			if after-before < 60 || never > 0 {
				t.Errorf("the old ones were tried %d times in ten minutes, want at least 60; %d of them never", after-before, never)
			}
		})
	}
}

// TestHangingRetriesDoNotHoldAStep: each create takes 25 seconds without an answer. A new deletion must not wait
// until all failed creates were repeated.
func TestHangingRetriesDoNotHoldAStep(t *testing.T) {
	t.Parallel()
	s := newScene(t)
	s.r.Parallel = inOrder
	ids := s.protect(40)
	young := s.plant("vpc-young", nil)
	s.learn()
	s.world.Fail("CreateFlowLogs", 40, "InternalError", http.StatusInternalServerError)
	s.attackAndReconcile(ids...)
	s.now = s.now.Add(time.Minute) // all are due again
	s.answering(&calls{create: func(int, *ec2.CreateFlowLogsInput) (*ec2.CreateFlowLogsOutput, error) {
		s.now = s.now.Add(25 * time.Second)
		return nil, context.DeadlineExceeded
	}})
	since := s.now
	s.reconcileOnce()
	s.deliver(s.attack(young))
	s.reconcileOnce()
	if i := s.incident(young); i.Tried == 0 || s.now.Sub(since) > 2*time.Minute {
		t.Errorf("the new deletion was tried %d times after %s, want once within 2m", i.Tried, s.now.Sub(since))
	}
}

// TestI12UnknownOnesComeLast: forged records name thousands of flow logs that never existed. They must not delay
// the restore of a known one.
func TestI12UnknownOnesComeLast(t *testing.T) {
	t.Parallel()
	s, id := protectedOne(t)
	for m := range 3 {
		s.deliver(s.record(madeUpIDs(1000, 1000*m)...))
	}
	s.deliver(s.attack(id))
	s.reconcileOnce()
	s.wantState(id, incident.Restored, "")
}

// wantRestoredAmong checks that a flow log is restored within two seconds, though 60 forged records come before
// its deletion, and 50 a second after it.
func (s *scene) wantRestoredAmong(id string, forged func(n int) detection.Finding) {
	s.t.Helper()
	for n := range 60 {
		s.deliver(forged(n))
	}
	s.deliver(s.attack(id))
	for n := range 100 { // 50 records a second
		s.now = s.now.Add(20 * time.Millisecond)
		s.deliver(forged(100 + n))
		s.reconcileOnce()
	}
	s.wantState(id, incident.Restored, "")
}

// TestI9RecordsOfCreatesStarveNoRestore: forged records of creates take calls from the pace. They must not delay a
// restore.
func TestI9RecordsOfCreatesStarveNoRestore(t *testing.T) {
	t.Parallel()
	s, id := protectedOne(t)
	s.wantRestoredAmong(id, forgedCreate)
}

// TestI9RepeatedRecordsStarveNoRestore: as TestI9RecordsOfCreatesStarveNoRestore, with forged records of the
// deletion of a live flow log.
func TestI9RepeatedRecordsStarveNoRestore(t *testing.T) {
	t.Parallel()
	s, ids := protected(t, 2)
	s.wantRestoredAmong(ids[0], func(int) detection.Finding { return s.record(ids[1]) })
}

// TestI9ForgedRecordsOfOthersDelayNoRestore: a forged record names 450 live flow logs, all older than the one
// that is really deleted. Their observations must not delay its restore, however slow the machine is.
func TestI9ForgedRecordsOfOthersDelayNoRestore(t *testing.T) {
	t.Parallel()
	s, ids := protected(t, 450)
	young := s.plant("vpc-young", nil)
	s.learn()
	s.deliver(s.recordBy(nobody, "", "", ids...))
	for range 16 { // by then each live flow log was observed, and is due again
		s.reconcileOnce()
		s.now = s.now.Add(5 * time.Second)
	}
	s.deliver(s.attack(young))
	for range 2 {
		s.reconcileOnce()
		s.now = s.now.Add(5 * time.Second)
	}
	s.wantRestored("vpc-young")
}

// TestI12RecordsOfCreatesKeepThePace: 500 forged records of creates come at once. They cause no more
// observations than the pace allows.
func TestI12RecordsOfCreatesKeepThePace(t *testing.T) {
	t.Parallel()
	s, _ := protectedOne(t)
	c := s.answering(&calls{})
	for n := range 500 {
		s.deliver(forgedCreate(n))
	}
	if n := c.describes.Load(); n > 100 {
		t.Errorf("%d observations at once, want at most 100", n)
	}
}

// TestI9DecoysInTheWayOfAGroupDelayNoFirstAttempt: an attacker deletes 200 flow logs by one call, and puts a
// decoy in the place of each. AWS refuses each item of the common call, so that each is tried again alone. A
// younger flow log that is deleted then comes before these second attempts.
func TestI9DecoysInTheWayOfAGroupDelayNoFirstAttempt(t *testing.T) {
	t.Parallel()
	s, ids := protected(t, 200)
	young := s.plant("vpc-young", nil)
	s.learn()
	s.world.Configure(func(e *fakeawstest.EC2Settings) { e.Rates = fakeawstest.AWSRates() })
	f := s.attack(ids...)
	for n := range ids {
		s.plant(fmt.Sprintf("vpc-%d", n+1), rejects)
	}
	s.deliver(f)
	tick := func(d time.Duration) {
		for end := s.now.Add(d); s.now.Before(end); s.now = s.now.Add(100 * time.Millisecond) {
			s.reconcileOnce()
		}
	}
	tick(2 * time.Second)
	if n := s.creates(); n > 60 {
		t.Fatalf("%d creates in two seconds: AWS's rate is 50 and 5 a second", n)
	}
	s.deliver(s.attack(young))
	since := s.now
	tick(3 * time.Second)
	s.wantState(young, incident.Restored, "")
	tick(40*time.Second - s.now.Sub(since)) // until each was tried alone
	for _, id := range ids {
		s.wantState(id, incident.Blocked, incident.Decoy)
	}
}
