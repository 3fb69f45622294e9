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

// mute is an EC2 client that never answers DescribeFlowLogs. It counts the calls.
type mute struct {
	remediate.EC2
	calls *atomic.Int32
}

func (m mute) DescribeFlowLogs(ctx context.Context, _ *ec2.DescribeFlowLogsInput, _ ...func(*ec2.Options)) (*ec2.DescribeFlowLogsOutput, error) {
	m.calls.Add(1)
	<-ctx.Done()
	return nil, ctx.Err()
}

// TestAScopeThatDoesNotAnswerHoldsNoHandler: a handler is free once its message is on disk, even if AWS does not
// answer the calls that the message starts. These calls end by themselves.
func TestAScopeThatDoesNotAnswerHoldsNoHandler(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newScene(t)
		s.bubble = true
		ids := s.protect(20)
		m := mute{s.api, &atomic.Int32{}}
		s.r.Fleet = fleet{scope: m}
		var observations sync.WaitGroup
		s.r.Background = func(task func()) {
			observations.Go(task)
			synctest.Wait() // until the observation has called AWS: after the commit it would make no call
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
			t.Errorf("%d alerts of %d deletions", n, len(ids))
		}
		if n := m.calls.Load(); n != 4 {
			t.Errorf("%d calls were made, want 4", n)
		}
		observations.Wait()
		if took := time.Since(begun); took == 0 || took > 2*time.Second {
			t.Errorf("an observation, which counts for two seconds, went on for %s", took)
		}
	})
}

// TestCreatedInAScopeThatDoesNotAnswer: AWS does not answer while records of creates come. One handler waits for
// two seconds, the others do not wait. A refresh is asked for, which finds the created flow logs. When the
// daemon stops, calls that are under way end at once.
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
				Account: account, Region: region, CreatedIDs: []string{fmt.Sprintf("fl-%017x", n)}, Identity: cloudtrail.Identity{Type: "IAMUser", ARN: mallory}})
			s.must(s.r.RecordFindings(ctx, []detection.Finding{f}, func() {}))
		}
		if took := time.Since(begun); took != 2*time.Second {
			t.Errorf("the handlers were held for %s, want 2s", took)
		}
		if len(s.soon) < 16 {
			t.Errorf("%d refreshes were asked for, want at least 16", len(s.soon))
		}
		cancel()
		s.r.Wait()
		if took := time.Since(begun); took != 2*time.Second {
			t.Errorf("a stop took %s", took-2*time.Second)
		}
	})
}

// TestTheObservationBesideAMessageIsTheRestorers: the restorer uses the observation that was made during the
// commit of the message, and makes no second one.
func TestTheObservationBesideAMessageIsTheRestorers(t *testing.T) {
	t.Parallel()
	s, id := protectedOne(t)
	c := s.answering(&calls{})
	s.attackAndReconcile(id)
	s.wantState(id, incident.Restored, "")
	if n := c.describes.Load(); n != 1 {
		t.Errorf("%d observations, want 1", n)
	}
}

// slowReads is a store whose reads take 30 seconds, as if no SQLite connection were free.
type slowReads struct{ remediate.Store }

func (s slowReads) View(ctx context.Context, fn func(remediate.Tx) error) error {
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(30 * time.Second):
		return s.Store.View(ctx, fn)
	}
}

// TestAnObservationEndsAfterTwoSeconds: the time for reading the store counts, too. The restorer is woken only
// after the observation, so a slow one delays the restore.
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
			t.Errorf("the observation took %s", took)
		}
	})
}

// TestWhatARecordAsksAWS: a record of a deletion starts an observation if it names a flow log that would be
// restored. It starts none for unknown flow logs, for decoys, or if the same record came before.
func TestWhatARecordAsksAWS(t *testing.T) {
	t.Parallel()
	s, ids := protected(t, 2)
	decoy := s.plant("vpc-3", nil)
	s.refresh()
	row := s.row(decoy)
	row.Protected = false
	s.must(s.store.Update(t.Context(), func(tx *store.Tx) error { return tx.PutFlowLog(row) }))
	c := s.answering(&calls{})
	s.r.Background = func(task func()) { task() } // before the commit: after it, the record would count as repeated
	wantCalls := func(of string, want int32, f detection.Finding) {
		t.Helper()
		before := c.describes.Load()
		s.deliver(f)
		if n := c.describes.Load() - before; n != want {
			t.Errorf("%s: %d calls, want %d", of, n, want)
		}
	}
	attack := s.attack(ids[0])
	wantCalls("a deletion", 1, attack)
	wantCalls("the same record again", 0, attack)
	twin := attack
	twin.Record.Identity.ARN = "arn:aws:iam::111122223333:user/other"
	wantCalls("another record with its event ID", 1, twin)
	wantCalls("a decoy", 0, s.record(decoy))
	wantCalls("an unknown flow log", 0, s.record("fl-00000000000000def"))
	wantCalls("a decoy, an unknown and a known flow log", 1, s.record(decoy, ids[1], "fl-00000000000000def"))
}

// TestAnObservationThatIsTooEarlyMakesNoLoop: the observation during the commit was too early: the flow log was
// so young then that AWS might not have shown it yet. The restorer must not decide again and again with it, but
// observe anew once it does not count any more.
func TestAnObservationThatIsTooEarlyMakesNoLoop(t *testing.T) {
	t.Parallel()
	s := newScene(t)
	id := s.plant("vpc-1", nil)
	s.refresh()
	s.release(time.Hour)
	s.sleep(s.policy.ConsistencyWindow - time.Second)
	s.deliver(s.attack(id))
	s.sleep(1500 * time.Millisecond)
	s.reconcile() // fails if there is no end
	s.advance(5 * time.Second)
	s.wantState(id, incident.Closed, incident.Released)
}

// TestAnObservationBesideACommitEndsNoDoubt: a shared call has no answer. Only an observation of each resource
// that began late enough shows whether the call made something. The observations that were kept during a commit
// began just before that: the restorer must not use them again and again.
func TestAnObservationBesideACommitEndsNoDoubt(t *testing.T) {
	t.Parallel()
	s := newScene(t)
	ids, planted := s.plantMany(6, 0, 0)
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
	for _, f := range planted {
		s.must(s.r.KeepObservation(t.Context(), scope, f.ResourceID))
	}
	s.sleep(time.Second)
	s.reconcile() // fails if there is no end
	s.advance(time.Minute)
	s.wantAllRestored(planted)
}
