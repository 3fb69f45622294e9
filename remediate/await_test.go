package remediate_test

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/ec2"

	"flowkeeper/internal/detection"
	"flowkeeper/inventory"
	"flowkeeper/remediate"
	"flowkeeper/remediate/incident"
)

// asksDue is a store that counts how often it is read, and is asked which incidents are due. Where silent, it does not say
// what a record is about, so that its message asks AWS nothing.
type asksDue struct {
	remediate.Store
	reads, n atomic.Int32
	silent   atomic.Bool
}

// Update takes longer than what goes on beside it until that waits for AWS.
func (s *asksDue) Update(ctx context.Context, fn func(remediate.Tx) error) error {
	time.Sleep(time.Millisecond)
	return s.Store.Update(ctx, fn)
}

func (s *asksDue) View(ctx context.Context, fn func(remediate.Tx) error) error {
	s.reads.Add(1)
	return s.Store.View(ctx, func(tx remediate.Tx) error { return fn(countsDue{tx, s}) })
}

type countsDue struct {
	remediate.Tx
	of *asksDue
}

func (t countsDue) Unrecorded(s inventory.Scope, ids []string, eventID, claim string) (map[string]string, error) {
	if t.of.silent.Load() {
		return nil, errors.New("silent")
	}
	return t.Tx.Unrecorded(s, ids, eventID, claim)
}

func (t countsDue) Due(s inventory.Scope, now time.Time, turns incident.Turns) ([]incident.Incident, error) {
	t.of.n.Add(1)
	return t.Tx.Due(s, now, turns)
}

// slowDescribe is AWS that takes its time to answer each call of DescribeFlowLogs, or fails.
type slowDescribe struct {
	remediate.EC2
	n, creates atomic.Int32
	answer     func(ctx context.Context, n int32) error // n: which call it is, from 1
}

func (d *slowDescribe) DescribeFlowLogs(ctx context.Context, in *ec2.DescribeFlowLogsInput, o ...func(*ec2.Options)) (*ec2.DescribeFlowLogsOutput, error) {
	if err := d.answer(ctx, d.n.Add(1)); err != nil {
		return nil, err
	}
	return d.EC2.DescribeFlowLogs(ctx, in, o...)
}

func (d *slowDescribe) CreateFlowLogs(ctx context.Context, in *ec2.CreateFlowLogsInput, o ...func(*ec2.Options)) (*ec2.CreateFlowLogsOutput, error) {
	d.creates.Add(1)
	return d.EC2.CreateFlowLogs(ctx, in, o...)
}

// takes is an answer after a time; none where the context ends before.
func takes(ctx context.Context, d time.Duration) error {
	select {
	case <-time.After(d):
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

const answerTime = 20 * time.Millisecond // of an AWS that is well

// awaiting plays with flow logs on vpc-1, vpc-2 ... in a bubble, while the restorer runs. AWS answers as answer says.
func awaiting(t *testing.T, flowLogs int, answer func(ctx context.Context, n int32) error, play func(s *scene, ids []string, d *slowDescribe, asked *asksDue, stop func())) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newScene(t)
		s.bubble = true
		ids := s.protect(flowLogs)
		d, asked := &slowDescribe{EC2: s.api, answer: answer}, &asksDue{Store: s.r.Store}
		s.r.Fleet, s.r.Store = fleet{scope: d}, asked
		s.r.Rand = func() float64 { return 0 }
		stop := s.run(func() {})
		time.Sleep(time.Minute)
		asked.n.Store(0)
		asked.reads.Store(0)
		play(s, ids, d, asked, stop)
		s.r.Wait()
	})
}

// message has a record handled, as a handler does.
func (s *scene) message(f detection.Finding) {
	s.t.Helper()
	s.must(s.r.RecordFindings(s.t.Context(), []detection.Finding{f}, func() {}))
}

// TestTheRestorerReadsWhileAWSAnswers a question that a message began: it asks no other, and creates when that is answered.
func TestTheRestorerReadsWhileAWSAnswers(t *testing.T) {
	var store *asksDue
	var early atomic.Bool
	awaiting(t, 1, func(ctx context.Context, _ int32) error {
		err := takes(ctx, answerTime)
		early.Store(store.n.Load() > 0)
		return err
	}, func(s *scene, ids []string, d *slowDescribe, asked *asksDue, stop func()) {
		defer stop()
		store = asked
		s.message(s.attack(ids[0]))
		time.Sleep(answerTime)
		synctest.Wait()
		s.restored("vpc-1")
		if n := d.n.Load(); n != 1 {
			t.Errorf("%d questions", n)
		}
		if n := asked.n.Load(); !early.Load() || n > 2 {
			t.Errorf("the store was asked %d times what is due; before the answer: %t", n, early.Load())
		}
	})
}

// TestAnAnswerThatFailsIsAskedForAgain by the restorer.
func TestAnAnswerThatFailsIsAskedForAgain(t *testing.T) {
	awaiting(t, 1, func(ctx context.Context, n int32) error {
		if err := takes(ctx, answerTime); err != nil || n > 1 {
			return err
		}
		return errors.New("reset by peer")
	}, func(s *scene, ids []string, d *slowDescribe, _ *asksDue, stop func()) {
		defer stop()
		s.message(s.attack(ids[0]))
		time.Sleep(2 * answerTime)
		synctest.Wait()
		s.restored("vpc-1")
		if n := d.n.Load(); n != 2 {
			t.Errorf("%d questions", n)
		}
	})
}

// TestAnAnswerIsAwaitedForTwoSeconds, and then asked for by the restorer.
func TestAnAnswerIsAwaitedForTwoSeconds(t *testing.T) {
	awaiting(t, 1, func(ctx context.Context, n int32) error {
		if n == 1 {
			<-ctx.Done()
			return ctx.Err()
		}
		return takes(ctx, answerTime)
	}, func(s *scene, ids []string, d *slowDescribe, _ *asksDue, stop func()) {
		defer stop()
		s.message(s.attack(ids[0]))
		time.Sleep(2*time.Second + 2*answerTime)
		synctest.Wait()
		s.restored("vpc-1")
	})
}

// TestAnAnswerThatDoesNotComeHoldsNoOther incident of its scope, whether AWS is asked about that by its
// message, or not.
func TestAnAnswerThatDoesNotComeHoldsNoOther(t *testing.T) {
	for name, alone := range map[string]bool{"asked by its message": false, "asked by the restorer": true} {
		t.Run(name, func(t *testing.T) {
			awaiting(t, 2, func(ctx context.Context, n int32) error {
				if n == 1 {
					<-ctx.Done()
					return ctx.Err()
				}
				return takes(ctx, answerTime)
			}, func(s *scene, ids []string, _ *slowDescribe, asked *asksDue, stop func()) {
				defer stop()
				s.message(s.attack(ids[0]))
				time.Sleep(answerTime)
				asked.silent.Store(alone)
				s.message(s.attack(ids[1]))
				time.Sleep(time.Second)
				synctest.Wait()
				s.restored("vpc-2")
			})
		})
	}
}

// TestWhatIsAskedAtOnceIsCreatedAtOnce, though the answers come one after the other: a create may take long.
func TestWhatIsAskedAtOnceIsCreatedAtOnce(t *testing.T) {
	awaiting(t, 3, func(ctx context.Context, n int32) error {
		return takes(ctx, answerTime+time.Duration(n)*time.Millisecond)
	}, func(s *scene, ids []string, d *slowDescribe, _ *asksDue, stop func()) {
		defer stop()
		d.EC2 = slow{d.EC2, 20 * time.Second}
		begin := make(chan struct{})
		var messages sync.WaitGroup
		for _, id := range ids {
			f := s.attack(id)
			messages.Go(func() { <-begin; s.message(f) })
		}
		synctest.Wait()
		close(begin)
		messages.Wait()
		time.Sleep(answerTime + 10*time.Millisecond)
		synctest.Wait()
		if asked, sent := d.n.Load(), d.creates.Load(); asked != 3 || sent != 3 {
			t.Errorf("%d questions, %d creates", asked, sent)
		}
	})
}

// TestAStopWaitsForNoAnswer that a message asked for.
func TestAStopWaitsForNoAnswer(t *testing.T) {
	awaiting(t, 1, func(ctx context.Context, _ int32) error {
		<-ctx.Done()
		return ctx.Err()
	}, func(s *scene, ids []string, _ *slowDescribe, _ *asksDue, stop func()) {
		ctx, cancel := context.WithCancel(s.t.Context())
		defer cancel()
		s.must(s.r.RecordFindings(ctx, []detection.Finding{s.attack(ids[0])}, func() {}))
		synctest.Wait()
		begun := time.Now()
		stop()
		if took := time.Since(begun); took != 0 {
			t.Errorf("the restorer stopped %s later", took)
		}
	})
}

// TestARestoreReadsLittle: what its record is about, what is due, what is to be done about it, and when the next is
// due; and the log how much is left, now and then.
func TestARestoreReadsLittle(t *testing.T) {
	awaiting(t, 1, func(ctx context.Context, _ int32) error { return takes(ctx, answerTime) }, func(s *scene, ids []string, _ *slowDescribe, asked *asksDue, stop func()) {
		defer stop()
		s.message(s.attack(ids[0]))
		time.Sleep(time.Second)
		synctest.Wait()
		s.restored("vpc-1")
		if n := asked.reads.Load(); n != 5 {
			t.Errorf("%d reads", n)
		}
	})
}
