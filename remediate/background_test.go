package remediate_test

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/ec2"

	"flowkeeper/alert"
	"flowkeeper/internal/cloudtrail"
	"flowkeeper/internal/detection"
	"flowkeeper/internal/store"
	"flowkeeper/remediate"
	"flowkeeper/remediate/incident"
)

// mute is an EC2 that does not answer Describe; its calls are counted.
type mute struct {
	remediate.EC2
	calls *atomic.Int32
}

func (m mute) DescribeFlowLogs(ctx context.Context, _ *ec2.DescribeFlowLogsInput, _ ...func(*ec2.Options)) (*ec2.DescribeFlowLogsOutput, error) {
	m.calls.Add(1)
	<-ctx.Done()
	return nil, ctx.Err()
}

// TestAScopeThatDoesNotAnswerHoldsNoHandler: a message is done with once it is on
// disk, and what it asks AWS for ends by itself.
func TestAScopeThatDoesNotAnswerHoldsNoHandler(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newScene(t)
		s.bubble = true
		ids := s.protect(20)
		m := mute{s.api, &atomic.Int32{}}
		s.r.Fleet = fleet{scope: m}
		var looks sync.WaitGroup
		s.r.Background = func(task func()) {
			looks.Go(task)
			synctest.Wait() // an observation that begins after the commit asks nothing
		}
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		begun := time.Now()
		for _, id := range ids {
			s.must(s.r.RecordFindings(ctx, []detection.Finding{s.attack(id)}, func() {}))
			s.incident(id)
		}
		if took := time.Since(begun); took != 0 {
			t.Errorf("the handlers were held for %s", took)
		}
		if n := len(s.alerts(alert.Deletion)); n != len(ids) {
			t.Errorf("%d alerts of %d", n, len(ids))
		}
		if n := m.calls.Load(); n != 4 {
			t.Errorf("%d calls wait for an answer", n)
		}
		looks.Wait()
		if took := time.Since(begun); took == 0 || took > 2*time.Second {
			t.Errorf("a look that does not count any more went on for %s", took)
		}
	})
}

// TestCreatedInAScopeThatDoesNotAnswer: one handler waits for two seconds, the
// others not at all; what was not learned is asked for by a refresh. A stop ends
// what goes on.
func TestCreatedInAScopeThatDoesNotAnswer(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newScene(t)
		s.bubble = true
		m := mute{s.api, &atomic.Int32{}}
		s.r.Fleet = fleet{scope: m}
		ctx, cancel := context.WithCancel(t.Context())
		begun := time.Now()
		for n := range 20 {
			f := s.judge(cloudtrail.Record{EventID: fmt.Sprintf("made-%d", n), EventName: cloudtrail.CreateFlowLogs, EventSource: cloudtrail.EC2, EventTime: time.Now(),
				Account: account, Region: region, CreatedIDs: []string{fmt.Sprintf("fl-%017x", n)}, ResourceIDs: []string{"vpc-1"}, Identity: cloudtrail.Identity{Type: "IAMUser", ARN: mallory}})
			s.must(s.r.RecordFindings(ctx, []detection.Finding{f}, func() {}))
		}
		if took := time.Since(begun); took != 2*time.Second {
			t.Errorf("the handlers were held for %s", took)
		}
		if len(s.soon) < 16 {
			t.Errorf("%d refreshes asked for", len(s.soon))
		}
		cancel()
		s.r.Wait()
		if took := time.Since(begun); took != 2*time.Second {
			t.Errorf("a stop took %s", took-2*time.Second)
		}
	})
}

// TestTheObservationBesideAMessageIsTheRestorers: it makes no other.
func TestTheObservationBesideAMessageIsTheRestorers(t *testing.T) {
	t.Parallel()
	s, id := protectedOne(t)
	c := s.answering(&calls{})
	s.attackAndReconcile(id)
	s.wantState(id, incident.Restored, "")
	if n := c.describes.Load(); n != 1 {
		t.Errorf("%d looks", n)
	}
}

// slowReads is a store whose reads wait, as they do for a free connection.
type slowReads struct{ remediate.Store }

func (s slowReads) View(ctx context.Context, fn func(remediate.Tx) error) error {
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(30 * time.Second):
		return s.Store.View(ctx, fn)
	}
}

// TestAnObservationEndsAfterTwoSeconds: with what it reads of the store, as the restorer is woken
// after it.
func TestAnObservationEndsAfterTwoSeconds(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newScene(t)
		s.bubble = true
		ids := s.protect(1)
		s.r.Store = slowReads{s.r.Store}
		begun := time.Now()
		s.must(s.r.RecordFindings(t.Context(), []detection.Finding{s.attack(ids[0])}, func() {}))
		s.r.Wait()
		if took := time.Since(begun); took > 2*time.Second {
			t.Errorf("the look took %s", took)
		}
	})
}

// TestWhatARecordAsksAWS: to observe what would be restored; not what is unknown or a decoy, and
// nothing for a record that was recorded before.
func TestWhatARecordAsksAWS(t *testing.T) {
	t.Parallel()
	s, ids := protected(t, 2)
	decoy := s.plant("vpc-3", nil)
	s.refresh()
	row := s.row(decoy)
	row.Protected = false
	s.must(s.store.Update(t.Context(), func(tx *store.Tx) error { return tx.PutFlowLog(row) }))
	c := s.answering(&calls{})
	s.r.Background = func(task func()) { task() } // before the commit, which may be quicker
	asks := func(what string, want int32, f detection.Finding) {
		t.Helper()
		before := c.describes.Load()
		s.deliver(f)
		if n := c.describes.Load() - before; n != want {
			t.Errorf("%s: %d calls", what, n)
		}
	}
	attack := s.attack(ids[0])
	asks("a deletion", 1, attack)
	asks("its record again", 0, attack)
	twin := attack
	twin.Record.Identity.ARN = "arn:aws:iam::111122223333:user/other"
	asks("another record with its event ID", 1, twin)
	asks("a decoy", 0, s.record(decoy))
	asks("an unknown one", 0, s.record("fl-00000000000000def"))
	asks("a known one among them", 1, s.record(decoy, ids[1], "fl-00000000000000def"))
}

// TestAnObservationThatIsTooEarlyMakesNoLoop: when a flow log was deleted, AWS might not have shown it yet. A moment
// later it would, and AWS is asked again once that observation does not count any more.
func TestAnObservationThatIsTooEarlyMakesNoLoop(t *testing.T) {
	t.Parallel()
	s := newScene(t)
	id := s.plant("vpc-1", nil)
	s.refresh()
	s.release(time.Hour)
	s.sleep(s.policy.ConsistencyWindow - time.Second)
	s.deliver(s.attack(id))
	s.sleep(1500 * time.Millisecond)
	s.reconcile() // which fails where there is no end
	s.advance(5 * time.Second)
	s.wantState(id, incident.Closed, incident.Released)
}

// TestAnObservationBesideACommitEndsNoDoubt: whether a shared call without an answer has made something is seen once each
// observation shows it. One that was asked for just before that, beside a commit, would be taken again and again.
func TestAnObservationBesideACommitEndsNoDoubt(t *testing.T) {
	t.Parallel()
	s := newScene(t)
	ids, were := s.plantMany(6, 0, 0)
	s.deliver(s.attack(ids...))
	shown := s.now.Add(500 * time.Millisecond)
	s.must(s.store.Update(t.Context(), func(tx *store.Tx) error {
		for _, id := range ids {
			i, _, err := tx.Incident(scope, id)
			if err != nil {
				return err
			}
			i.Call = &incident.SentCall{Token: "answered", Final: true, At: shown.Add(-30*time.Second - s.policy.ConsistencyWindow)}
			if err := tx.PutIncident(i); err != nil {
				return err
			}
		}
		return nil
	}))
	for _, f := range were {
		s.must(s.r.KeepObservation(t.Context(), scope, f.ResourceID))
	}
	s.sleep(time.Second)
	s.reconcile() // which fails where there is no end
	s.advance(time.Minute)
	s.wantAllRestored(were)
}
