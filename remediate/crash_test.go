package remediate_test

import (
	"context"
	"errors"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/ec2"

	"flowkeeper/alert"
	"flowkeeper/internal/detection"
	"flowkeeper/remediate"
	"flowkeeper/remediate/incident"
)

// crasher lets the process die at one point: before or after one of its calls
// to the store or to AWS. From then on nothing that it does has an effect.
type crasher struct {
	mu   sync.Mutex
	left int
	dead bool
	remediate.Store
	remediate.EC2
}

var errCrash = errors.New("the process is dead")

// point passes one possible place to die, and reports whether it is alive.
func (c *crasher) point() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.dead = c.dead || c.left == 0; !c.dead {
		c.left--
	}
	return !c.dead
}

func (c *crasher) isDead() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.dead
}

// around runs a call between two points.
func (c *crasher) around(call func() error) error {
	if !c.point() {
		return errCrash
	}
	if err := call(); err != nil {
		return err
	}
	if !c.point() {
		return errCrash
	}
	return nil
}

func (c *crasher) Update(ctx context.Context, fn func(remediate.Tx) error) error {
	return c.around(func() error { return c.Store.Update(ctx, fn) })
}

func (c *crasher) DescribeFlowLogs(ctx context.Context, in *ec2.DescribeFlowLogsInput, o ...func(*ec2.Options)) (out *ec2.DescribeFlowLogsOutput, err error) {
	err = c.around(func() (err error) { out, err = c.EC2.DescribeFlowLogs(ctx, in, o...); return err })
	return out, err
}

func (c *crasher) CreateFlowLogs(ctx context.Context, in *ec2.CreateFlowLogsInput, o ...func(*ec2.Options)) (out *ec2.CreateFlowLogsOutput, err error) {
	err = c.around(func() (err error) { out, err = c.EC2.CreateFlowLogs(ctx, in, o...); return err })
	return out, err
}

func (c *crasher) CreateTags(ctx context.Context, in *ec2.CreateTagsInput, o ...func(*ec2.Options)) (out *ec2.CreateTagsOutput, err error) {
	err = c.around(func() (err error) { out, err = c.EC2.CreateTags(ctx, in, o...); return err })
	return out, err
}

// TestI4EveryCrashPoint: the process dies before or after each AWS call and
// each commit of one incident in turn, the store is opened again, and the end
// is the same each time.
func TestI4EveryCrashPoint(t *testing.T) {
	t.Parallel()
	points := 0
	for point := 0; ; point++ {
		if !diesAt(t, point) {
			points = point
			break
		}
	}
	if points < 8 {
		t.Errorf("only %d points to die at: the test does not see them all", points)
	}
}

// diesAt plays one deletion and reports whether the point was reached.
func diesAt(t *testing.T, point int) bool {
	s := newScene(t)
	s.world.AllowDuplicates(true)
	id := s.protect(1)[0]
	c := &crasher{left: point, Store: s.store.Remediation(), EC2: s.api}
	s.r.Store, s.r.Fleet = c, fleet{scope: c}
	f := s.attack(id)
	acknowledged := s.r.RecordFindings(t.Context(), []detection.Finding{f}, func() {}) == nil
	s.r.Wait()
	for range 12 {
		_, _ = s.r.Reconcile(t.Context(), scope, func() {}) // nobody gets the dead one's errors
		s.now = s.now.Add(time.Minute)
	}
	s.crash()
	dark := 0 // it was not back for twelve minutes, and people are alerted of that
	if i, _, ok, err := s.store.FindIncident(t.Context(), id); ok && (i.State == incident.Open || i.State == incident.Restored && !i.Confirmed) {
		s.must(err)
		dark = 1
	}
	if !acknowledged {
		s.deliver(f)
	}
	s.advance(15 * time.Minute)
	s.wantState(id, incident.Verified, "")
	s.wantRestored("vpc-1")
	s.wantAlertCounts(map[alert.Kind]int{alert.Deletion: 1, alert.Blocked: dark, alert.Restored: 1, alert.Closed: 1})
	s.must(s.store.Close())
	return c.dead
}
