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

// crasher is a store and an EC2 client that let the process die at one point: before or after one of their
// calls. After that, no call has an effect.
type crasher struct {
	mu   sync.Mutex
	left int // points to pass before the process dies
	dead bool
	remediate.Store
	remediate.EC2
}

var errCrash = errors.New("the process is dead")

// point passes one point at which the process may die, and reports whether it is still alive.
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

// around makes a call, with a point before and a point after it.
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

// TestI4EveryCrashPoint: the process dies at each point of a restore in turn, before or after a call to AWS or a
// commit. After a restart the flow log is restored once, with the same alerts each time.
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
		t.Errorf("the process could die at %d points only, want at least 8: the test does not see all calls", points)
	}
}

// diesAt plays one deletion, and reports whether the process came to the point and died.
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
		_, _ = s.r.Reconcile(t.Context(), scope, func() {}) // a dead process reports no errors
		s.now = s.now.Add(time.Minute)
	}
	s.crash()
	dark := 0 // 1: the flow log was not back for twelve minutes, so people are alerted of that
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

// TestI7EveryCrashPointOfADrift: a refresh finds a flow log gone, and the process dies at each point of the restore in
// turn and starts again within a second. The restore may be on AWS and not on disk then: people are alerted of the
// loss all the same, once.
func TestI7EveryCrashPointOfADrift(t *testing.T) {
	t.Parallel()
	point := 0
	for driftDiesAt(t, point) {
		point++
	}
	if point < 5 {
		t.Errorf("the process could die at %d points only, want at least 5: the test does not see all calls", point)
	}
}

// driftDiesAt plays one loss that a refresh finds, and reports whether the process came to the point and died.
func driftDiesAt(t *testing.T, point int) bool {
	s, id := protectedOne(t)
	s.world.AllowDuplicates(true)
	s.world.Remove(account, region, id)
	s.refresh()
	c := &crasher{left: point, Store: s.store.Remediation(), EC2: s.api}
	s.r.Store, s.r.Fleet = c, fleet{scope: c}
	for range 3 {
		_, _ = s.r.Reconcile(t.Context(), scope, func() {}) // a dead process reports no errors
	}
	s.now = s.now.Add(time.Second)
	s.crash()
	s.advance(15 * time.Minute)
	s.wantState(id, incident.Verified, "")
	s.wantRestored("vpc-1")
	s.wantAlertCounts(map[alert.Kind]int{alert.Deletion: 1, alert.Restored: 1, alert.Closed: 1})
	if i := s.incident(id); i.Adopted {
		t.Errorf("died at point %d: our own restore counts as somebody else's: %+v", point, i)
	}
	s.must(s.store.Close())
	return c.dead
}
